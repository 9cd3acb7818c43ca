"""The landing folder: csv files that people and vendors drop, `landing/csv_drop/<MIC>/<name>.csv[.gz|.zip]`.

What does not belong here: opening files safely (`landed.py`), reading tables (`tabular/`), tables that look
otherwise (`feed.py`).

Columns: symbol, date (YYYY-MM-DD, bars of a day or longer) or timestamp (end of an intraday bar, ISO 8601;
without an offset it is on the exchange's clock), open, high, low, close, volume; optional freq (default 1d,
or 1m with timestamps), price_type, ex_factor (default 1), turnover, vwap, trades, open_interest.
Comma-separated UTF-8. Empty open, high, low and volume are missing values. The file ends with a line break: a
number cut in half would otherwise pass for a smaller one.

A dropped file is a feed: its rows are known when the bar has ended and the feed's lag has passed, but not
before the file arrived (its modification time), because before that nobody here had it. Files under
`landing/csv_drop/<MIC>/history/` are declared history: whoever drops one there vouches that its bars were
known as they happened, and they count as known at the bar's end plus the feed's lag.

Names that begin with a dot or end with .part or .tmp are files still being written, and left alone. Names
that are not UTF-8 are listed with their odd bytes spelled out (hexadecimal, after a backslash) and refused:
tables, run keys and metadata hold text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.schemas import INTRADAY, SESSIONS_AND_LONGER
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files, well_named
from lim_pipelines.sources.landed import inside, table
from lim_pipelines.sources.tabular import (
    Canonical,
    Origin,
    TableFormat,
    TimeFormat,
    header_names,
    open_text,
    parse,
)

FOLDER = "csv_drop"
SUFFIXES = (".csv", ".csv.gz", ".csv.zip", ".zip")
_REQUIRED: tuple[Canonical, ...] = ("symbol", "open", "high", "low", "close", "volume")
_OPTIONAL: tuple[Canonical, ...] = (
    *("freq", "price_type", "ex_factor"),
    *("turnover", "vwap", "trades", "open_interest"),
)
DAILY = TableFormat(
    time=TimeFormat(columns=("date",)),
    columns={name: name for name in (*_REQUIRED, *_OPTIONAL)},
    optional=_OPTIONAL,
    extra_columns=False,
    freq="1d",
    freqs=SESSIONS_AND_LONGER,
)
INTRADAY_BARS = DAILY.model_copy(
    update={"time": TimeFormat(columns=("timestamp",)), "freq": "1m", "freqs": tuple(INTRADAY)}
)


class CsvDrop:
    """Files dropped in the landing folder."""

    name = FOLDER
    exchanges = frozenset(EXCHANGES)

    def files(self, landing: Path) -> list[SourceFile]:
        """List all finished files, sorted by path; whether they are any good is seen when they are read."""
        return [
            replace(file, exchanges=frozenset({mic} & self.exchanges))
            for file in vendor_files(landing, self.name)
            for mic in [(*PurePosixPath(file.path).parts, "")[1]]
        ]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file.

        Raises
        ------
        RejectedFileError
            The rule that it fails: file_name, unknown_exchange, unknown_file_type, or one of those of
            `landed.py`, `archives.py` and `tabular/`.
        """
        inside(landing, file.path)
        if not well_named(file.path):
            raise RejectedFileError(
                file.path,
                "file_name",
                "its name holds a backslash, or bytes that are not UTF-8 (shown as \\x and two digits)",
                "rename it",
            )
        parts = PurePosixPath(file.path).parts
        mic = parts[1] if len(parts) > 2 else ""
        if mic not in EXCHANGES:
            raise RejectedFileError(
                file.path,
                "unknown_exchange",
                f"{mic or 'no folder'} is not a registered exchange",
                f"drop it under {FOLDER}/<one of {', '.join(sorted(EXCHANGES))}>/",
            )
        if not file.path.lower().endswith(SUFFIXES):
            raise RejectedFileError(
                file.path,
                "unknown_file_type",
                "its name ends unlike a csv",
                f"name it *{', *'.join(SUFFIXES)}",
            )
        origin = Origin(file.path, mic, file.arrived_at, history=file.history)
        with table(landing, file) as content:
            text = open_text(content, DAILY, origin)
            yield from parse(text, _format(header_names(text.header, DAILY), file.path), origin)


def _format(header: list[str], path: str) -> TableFormat:
    names = {name.strip().strip('"').strip().lower() for name in header}
    if {"date", "timestamp"} <= names:
        raise RejectedFileError(
            path,
            "wrong_columns",
            "it has both date and timestamp",
            "leave date out of intraday bars, timestamp out of daily ones",
        )
    return INTRADAY_BARS if "timestamp" in names else DAILY
