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
from functools import lru_cache
from pathlib import Path, PurePosixPath

import yaml
from pydantic import ValidationError

from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files, well_named
from lim_pipelines.sources.landed import inside, read_file
from lim_pipelines.sources.table_files import read_table
from lim_pipelines.sources.tabular import TableFormat

MAPPING = "mapping.yaml"
_REMEDY = "correct it as docs/adding-a-source.md shows, and touch the feed's files"


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
        inside(landing, file.path)
        if not well_named(file.path):
            raise RejectedFileError(
                file.path,
                "file_name",
                "its name holds a backslash, or bytes that are not UTF-8 (shown as \\x and two digits)",
                "rename it",
            )
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
        no_mapping, wrong_mapping: naming the line of the mapping that is wrong; or that of a mapping that may
        not be read.
    """
    parts = PurePosixPath(path).parts
    where = "/".join((*parts[:2], MAPPING))
    if len(parts) < 3 or not (landing / where).is_file():
        raise RejectedFileError(
            path, "no_mapping", f"there is no {Feed.name}/<name>/{MAPPING} for it", "write one; " + _REMEDY
        )
    found = _read_mapping(read_file(landing, where), where)
    if isinstance(found, str):
        raise RejectedFileError(path, "wrong_mapping", found, _REMEDY)
    return found


@lru_cache(maxsize=64)
def _read_mapping(content: bytes, where: str) -> TableFormat | str:
    """Layout, or what is wrong with it."""
    try:
        text = content.decode("utf-8-sig")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        form = TableFormat.model_validate(yaml.safe_load(text))
    except UnicodeDecodeError:
        return f"{where} is not UTF-8"
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return f"{where} line {line}: {error.problem or 'no YAML'}"
    except yaml.YAMLError as error:
        return f"{where}: {str(error).splitlines()[0]}"
    except ValidationError as error:
        return "; ".join(
            f"{where} line {_line(tree, problem['loc'])}: {'.'.join(map(str, problem['loc']))}"
            f" {problem['msg'].removeprefix('Value error, ')}".replace(":  ", ": ")
            for problem in error.errors()[:5]
        )
    wanted = {form.exchange} if form.exchange else set()
    unknown = sorted((wanted | set(form.values.get("exchange", {}).values())) - EXCHANGES.keys())
    if unknown:
        line = _line(tree, ("exchange",) if form.exchange else ("values", "exchange"))
        return f"{where} line {line}: {', '.join(unknown)} is no registered exchange"
    if not form.exchange and "exchange" not in form.columns:
        return f"{where} line 1: exchange is neither given nor a column"
    return form


def _line(tree: yaml.Node | None, place: tuple[int | str, ...]) -> int:
    """Line of the deepest node on the way to a place."""
    node, line = tree, 1
    for step in place:
        if not isinstance(node, yaml.MappingNode):
            break
        found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
