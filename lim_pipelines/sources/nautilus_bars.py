"""Minute bars of futures contracts, named as NautilusTrader names them.

`landing/nautilus_bars/<contract>.<MIC>_1min_bars_<from>_<to>.csv[.gz]`, such as
`6EH4.XCME_1min_bars_20240101_20240131.csv.gz`: columns timestamp_utc, open, high, low, close, volume.

What does not belong here: stitching contracts together (`align/continuous.py`).

Bars are stamped with their END in UTC: Globex rests from 22:00 to 23:00 UTC in winter, the last bar before
the rest is 22:00 and the first after it 23:01; on 2024-01-05, with payrolls at 13:30 UTC, the bar that jumps
is 13:31. Empty minutes are absent.

A contract code is root, month letter and last digit of the year; the decade is that of the file's dates. Only
contracts whose root is in `ROOTS` are read: a multiplier cannot be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.table_files import listed, read_table
from lim_pipelines.sources.tabular import ListedAs, TableFormat, TimeFormat

NAME = re.compile(r"^([A-Z0-9]+)([FGHJKMNQUVXZ])(\d)\.([A-Z]{4})_1min_bars_(\d{4})\d{4}_\d{8}\.csv(\.gz)?$")
MONTHS = "FGHJKMNQUVXZ"
FORMAT = TableFormat(
    time=TimeFormat(columns=("timestamp_utc",), stamp="end", timezone="UTC"),
    columns={"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"},
    symbol_from_path=r"([A-Z0-9]+)\.[A-Z]{4}_1min",
    freq="1m",
)


@dataclass(frozen=True)
class Root:
    """What all contracts of a root share.

    Parameters
    ----------
    name
        Name for people.
    contract
        Currency, multiplier and tick.
    """

    name: str
    contract: ListedAs


ROOTS = {
    ("XCME", "6E"): Root(
        "Euro FX", ListedAs(asset_class="future", currency="USD", multiplier=125_000, tick_size=0.00005)
    )
}


class NautilusBars:
    """Minute bars of contracts."""

    name = "nautilus_bars"
    exchanges = frozenset(mic for mic, _ in ROOTS)

    def files(self, landing: Path) -> list[SourceFile]:
        """List the vendor's files."""
        return listed(landing, self.name, self.exchanges)

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse the bars of one contract."""
        found = NAME.match(PurePosixPath(file.path).name)
        if found is None:
            raise RejectedFileError(
                file.path,
                "file_name",
                "it says no contract and exchange",
                "name it <contract>.<MIC>_1min_bars_<from>_<to>.csv",
            )
        code, letter, digit, mic, year = found.groups()[:5]
        root = ROOTS.get((mic, code))
        if root is None:
            raise RejectedFileError(
                file.path,
                "unknown_root",
                f"{mic} {code} has no multiplier and tick",
                "add it to ROOTS in lim_pipelines/sources/nautilus_bars.py",
            )
        month = delivery(letter, int(digit), int(year))
        form = FORMAT.model_copy(update={"listed_as": root.contract})
        for block in read_table(file, landing, form, exchange=mic):
            listings = block.listings.with_columns(
                instrument_id=pl.lit(f"{mic}:{code}.{month:%Y%m}"),
                name=pl.lit(f"{root.name} {month:%B %Y}"),
                root=pl.lit(f"{mic}:{code}"),
            )
            yield replace(block, listings=listings)


def delivery(letter: str, digit: int, year: int) -> date:
    """First day of the delivery month of a contract traded in `year`, at most nine years ahead."""
    return date(year + (digit - year) % 10, MONTHS.index(letter) + 1, 1)
