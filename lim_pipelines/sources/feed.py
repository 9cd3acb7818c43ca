"""Tables of any vendor, described by a file beside them: `landing/feed/<name>/mapping.yaml`.

What does not belong here: vendors that need code (a source file each), the description itself
(`TableFormat`, in `tabular/format.py`), reading tables (`table_files.py`).

`mapping.yaml` says how the csv (also .gz or .zip) and Parquet files below `landing/feed/<name>/` are laid
out; `landing/feed/<name>/history/` is declared history. Its exchanges are the constant `exchange`, or the
canonical values that `values` maps to, or, where a column holds MICs itself, any. Rows have `feed.<name>` as
their source: two feeds are two vendors.

A wrong mapping keeps every file of its feed out, with the line to mend. The mapping itself holds no bars.
Files are read again when they change, not when the mapping does: touch them after mending it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.sources import mappings
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file
from lim_pipelines.sources.mappings import MAPPING, REMEDY, line_of
from lim_pipelines.sources.table_files import read_table
from lim_pipelines.sources.tabular import TableFormat


class Feed:
    """Vendors described by a mapping."""

    name = "feed"
    exchanges = frozenset(EXCHANGES)

    def files(self, landing: Path) -> list[SourceFile]:
        """List the files of all feeds; those of a feed whose mapping is wrong may hold any exchange."""
        return [
            replace(file, exchanges=self._exchanges(landing, file.path))
            for file in vendor_files(landing, self.name)
        ]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file.

        Raises
        ------
        RejectedFileError
            file_name, no_mapping, wrong_mapping, or what `read_table` raises.
        """
        form = mapping(landing, file.path)
        folder, name, *below = PurePosixPath(file.path).parts
        if below != [MAPPING]:
            yield from read_table(replace(file, source=f"{folder}.{name}"), landing, form)

    def _exchanges(self, landing: Path, path: str) -> frozenset[str]:
        try:
            form = mapping(landing, path)
        except RejectedFileError:
            return self.exchanges
        if "exchange" not in form.columns:
            return frozenset({form.exchange} if form.exchange else ()) & self.exchanges
        return frozenset(form.values.get("exchange", {}).values()) & self.exchanges or self.exchanges


def mapping(landing: Path, path: str) -> TableFormat:
    """Layout of the feed that a file belongs to.

    Raises
    ------
    RejectedFileError
        As `mappings.mapping`; wrong_mapping also for an exchange that is unknown or missing.
    """
    form = mappings.mapping(landing, path, TableFormat)
    where = "/".join((*PurePosixPath(path).parts[:2], MAPPING))
    wanted = {form.exchange} if form.exchange else set()
    unknown = sorted((wanted | set(form.values.get("exchange", {}).values())) - EXCHANGES.keys())
    if unknown:
        place = ("exchange",) if form.exchange else ("values", "exchange")
        line = line_of(read_file(landing, where), place)
        wrong = f"{where} line {line}: {', '.join(unknown)} is no registered exchange"
    elif not form.exchange and "exchange" not in form.columns:
        wrong = f"{where} line 1: exchange is neither given nor a column"
    else:
        return form
    raise RejectedFileError(path, "wrong_mapping", wrong, REMEDY)
