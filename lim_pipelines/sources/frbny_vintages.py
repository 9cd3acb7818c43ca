"""The New York Fed's nowcasting data: 29 US macro series as they were known on each release day.

`landing/frbny_nowcast/`: a spreadsheet a release day as shipped, named by it (`2016-07-08.xls`), and
`vintage_changes.parquet`, which has what changed on each day. Either alone, or both.

What does not belong here: series without vintages (`macro.py`, `macro_series.py`).

A vintage names a day but no time of day: it is known at the end of that day in New York (a feed's no earlier
than it arrived). A spreadsheet holds everything known on its day, so most of it repeats the one before; that
is no revision. The first vintage holds decades of values whose true releases were earlier: nobody here knew
them then, so they are known from the first vintage on.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.schemas import RAW_MACRO, UTC_TIME
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.clock import last_second
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file
from lim_pipelines.sources.macro import QUARANTINE_EXCHANGE, refused, together
from lim_pipelines.sources.quarantine import quarantine

NAME = "frbny_nowcast"
CHANGES = "vintage_changes.parquet"
_SPREADSHEET = re.compile(r"(\d{4}-\d{2}-\d{2})\.xlsx?")
_CHANGES_COLUMNS = {"series", "ref_period_start", "value", "vintage"}
_NEW_YORK = "America/New_York"
_SURVEYED_BY = 10
"""Surveys of a month ask in its first days and are out on the 15th or later, before the month is over: the
period that they describe ends with the 10th."""


@dataclass(frozen=True)
class VintageSeries:
    """One series of the nowcast.

    Parameters
    ----------
    column
        Its name there.
    description
        What it is.
    unit
        Unit of the values.
    survey
        Whether it is a survey taken in the first days of the month that it is dated to.
    """

    column: str
    description: str
    unit: str
    survey: bool = False

    @property
    def series_id(self) -> str:
        """Its name in the lake."""
        return f"frbny.{self.column}"


_THOUSANDS, _DOLLARS, _CHAINED = "thousands", "USD million", "chained USD billion"
SERIES: tuple[VintageSeries, ...] = (
    VintageSeries("PAYEMS", "US payroll employment", "thousand persons"),
    VintageSeries("JTSJOL", "US job openings", _THOUSANDS),
    VintageSeries("GDPC1", "US real gross domestic product, quarterly", _CHAINED),
    VintageSeries("CPIAUCSL", "US consumer price index", "index"),
    VintageSeries("DGORDER", "US durable goods orders", _DOLLARS),
    VintageSeries("HSN1F", "US new home sales", _THOUSANDS),
    VintageSeries("RSAFS", "US retail sales", _DOLLARS),
    VintageSeries("UNRATE", "US unemployment rate", "percent"),
    VintageSeries("HOUST", "US housing starts", "thousand units"),
    VintageSeries("INDPRO", "US industrial production", "index"),
    VintageSeries("PPIFIS", "US producer price index", "index"),
    VintageSeries("DSPIC96", "US real personal income", _CHAINED),
    VintageSeries("BOPTEXP", "US exports", _DOLLARS),
    VintageSeries("BOPTIMP", "US imports", _DOLLARS),
    VintageSeries("WHLSLRIMSA", "US wholesale inventories", _DOLLARS),
    VintageSeries("TTLCONS", "US construction spending", _DOLLARS),
    VintageSeries("IR", "US import price index", "index"),
    VintageSeries("CPILFESL", "US core consumer price index", "index"),
    VintageSeries("PCEPILFE", "US core PCE price index", "index"),
    VintageSeries("PCEPI", "US PCE price index", "index"),
    VintageSeries("PERMIT", "US building permits", "thousand units"),
    VintageSeries("TCU", "US capacity utilization", "percent"),
    VintageSeries("BUSINV", "US business inventories", _DOLLARS),
    VintageSeries("ULCNFB", "US unit labor cost, quarterly", "index"),
    VintageSeries("IQ", "US export price index", "index"),
    VintageSeries("GACDISA066MSFRBNY", "Empire State manufacturing survey", "index", survey=True),
    VintageSeries("PCEC96", "US real consumption spending", _CHAINED),
    VintageSeries("A261RX1Q020SBEA", "US real gross domestic income, quarterly", _CHAINED),
    VintageSeries("GACDFSA066MSFRBPHI", "Philadelphia Fed manufacturing survey", "index", survey=True),
)
"""Units and names as in the vendor's series.csv. Quarterly values stand on the last month of the quarter."""


def collect_vintages(landing: Path) -> Parsed:
    """Read the vintages of all files that were dropped, and leave of them what was new on its day.

    Returns
    -------
    Parsed
        Rows are a frame of `RAW_MACRO`, one a value and each of its revisions. A file that cannot be read, or
        has another name, is one row of the quarantine: nothing of it enters. Where files contradict each
        other on one vintage the first by name holds, the others are rejected as `conflicting_vintage`.
    """
    values, rejected = [_NONE], []
    for file in vendor_files(landing, NAME):
        try:
            frame, held = _read(file, landing)
        except RejectedFileError as error:
            rejected.append(refused(file, error))
        else:
            values.append(frame)
            rejected.append(held)
    agreed, contradictions = _without_contradictions(pl.concat(values))
    rows = _revisions(agreed)
    return together([Parsed(RAW_MACRO.conform(rows), contradictions), *rejected])


_NONE = pl.DataFrame(schema={**RAW_MACRO.schema, "vintage": pl.Date, "column": pl.String, "period": pl.Date})
_FACT = ["series_id", "ts"]


def _read(file: SourceFile, landing: Path) -> tuple[pl.DataFrame, Parsed]:
    """Values of a file, as `_NONE` has them, and what is rejected."""
    name = PurePosixPath(file.path).name
    spreadsheet = _SPREADSHEET.fullmatch(name)
    if not spreadsheet and name != CHANGES:
        raise RejectedFileError(
            file.path,
            "file_name",
            f"{name} names no vintage",
            f"name a spreadsheet by its release day (2016-07-08.xls), changes {CHANGES}",
        )
    content = read_file(landing, file.path)
    if spreadsheet:
        long = _spreadsheet(content, file.path, _day(spreadsheet[1], file.path))
    else:
        long = _changes(content, file.path)
    return _dated(long, file)


def _day(text: str, path: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RejectedFileError(
            path, "file_name", f"there is no day {text}", "name the spreadsheet by its release day"
        ) from error


def _spreadsheet(content: bytes, path: str, vintage: date) -> pl.DataFrame:
    """Cells of a spreadsheet that hold something: line, column, said, value, vintage, period."""
    import fastexcel

    def sheet() -> pl.DataFrame:
        # As text: a number's is its shortest exact one, and one word among numbers is not lost.
        table = fastexcel.read_excel(content).load_sheet(0, dtypes="string").to_polars()
        return table.with_row_index("line", offset=2)

    table = _or_refused(sheet, (fastexcel.FastExcelError, pl.exceptions.PolarsError), path)
    if "Date" not in table.columns or not any(series.column in table.columns for series in SERIES):
        raise RejectedFileError(
            path, "wrong_columns", "no column Date, or none of the series", "drop the spreadsheet as it ships"
        )
    cells = table.unpivot(index=["line", "Date"], variable_name="column", value_name="said")
    return cells.filter(pl.col("said").is_not_null()).select(
        "line",
        "column",
        "said",
        pl.col("said").cast(pl.Float64, strict=False).alias("value"),
        pl.lit(vintage).alias("vintage"),
        pl.col("Date").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).alias("period"),
    )


def _changes(content: bytes, path: str) -> pl.DataFrame:
    """Rows of the table of changes, with the columns that a spreadsheet's cells have."""
    table = _or_refused(lambda: pl.read_parquet(io.BytesIO(content)), (pl.exceptions.PolarsError,), path)
    if missing := sorted(_CHANGES_COLUMNS - set(table.columns)):
        raise RejectedFileError(
            path, "wrong_columns", f"missing {', '.join(missing)}", "drop the table as it ships"
        )
    return table.with_row_index("line", offset=1).select(
        "line",
        pl.col("series").cast(pl.String).alias("column"),
        pl.col("value").cast(pl.String).alias("said"),
        pl.col("value").cast(pl.Float64, strict=False).alias("value"),
        pl.col("vintage").cast(pl.Date, strict=False),
        pl.col("ref_period_start").cast(pl.Date, strict=False).alias("period"),
    )


def _or_refused(
    read: Callable[[], pl.DataFrame], errors: tuple[type[Exception], ...], path: str
) -> pl.DataFrame:
    try:
        return read()
    except errors as error:
        raise RejectedFileError(
            path, "damaged_file", str(error).split("\n")[0][:200], "drop the complete file again"
        ) from error


def _dated(long: pl.DataFrame, file: SourceFile) -> tuple[pl.DataFrame, Parsed]:
    """Give values their period's end and moment of knowledge; hold back those that cannot be read."""
    units = {series.column: series.unit for series in SERIES}
    surveys = [series.column for series in SERIES if series.survey]
    ends = (
        pl.when(pl.col("column").is_in(surveys))
        .then(pl.col("period").dt.month_start().dt.offset_by(f"{_SURVEYED_BY - 1}d"))
        .otherwise(pl.col("period").dt.month_end())
    )
    known_at = last_second(pl.col("vintage"), _NEW_YORK)
    if not file.history:
        known_at = pl.max_horizontal(known_at, pl.lit(file.arrived_at, UTC_TIME))
    rows = long.with_columns(
        pl.concat_str(pl.lit("frbny."), "column").alias("series_id"),
        last_second(ends, "UTC").alias("ts"),
        pl.col("column").replace_strict(units, default=None, return_dtype=pl.String).alias("unit"),
        known_at.alias("known_at"),
        rule=pl.when(pl.col("column").is_in(list(units)).not_().fill_null(True))
        .then(pl.lit("unknown_series"))
        .when(pl.col("period").is_null() | pl.col("vintage").is_null())
        .then(pl.lit("unparsable_date"))
        .when(pl.col("value").is_null())
        .then(pl.lit("missing_value")),
        source=pl.lit(NAME),
        file=pl.lit(file.path),
    )
    held = rows.filter(pl.col("rule").is_not_null()).with_columns(
        pl.col("known_at").fill_null(pl.lit(file.arrived_at, UTC_TIME))
    )
    good = rows.filter(pl.col("rule").is_null())
    return good.select(pl.col(name).cast(dtype) for name, dtype in _NONE.schema.items()), _held(held)


REASONS = {
    "unknown_series": "the series is not known; add it to SERIES (lim_pipelines/sources/frbny_vintages.py)",
    "unparsable_date": "the period or the vintage is no date; correct the file",
    "missing_value": "the value is no number; correct the file",
    "conflicting_vintage": "another file gives this vintage another value; keep the right file",
}


def _held(rows: pl.DataFrame) -> Parsed:
    failing = rows.with_columns(
        exchange=pl.lit(QUARANTINE_EXCHANGE),
        date=pl.coalesce("period", "vintage", pl.col("known_at").dt.date()),
        symbol=pl.col("column").fill_null(""),
        reason=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String),
    )
    evidence = [name for name in ("column", "period", "vintage", "said", "value") if name in rows.columns]
    return Parsed(RAW_MACRO.empty(), quarantine("parse", failing, evidence))


def _without_contradictions(values: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep one value a period and vintage, the first file's; others that differ from it are rejected."""
    ordered = values.sort("file", "line")
    first = pl.col("value").first().over([*_FACT, "vintage"])
    differs = pl.col("value").ne_missing(first)
    held = ordered.filter(differs).with_columns(rule=pl.lit("conflicting_vintage"))
    return ordered.filter(~differs), _held(held).rejected


def _revisions(values: pl.DataFrame) -> pl.DataFrame:
    """Leave the values that were news: of the newest vintage so far, and other than the one before."""
    ordered = values.sort([*_FACT, "known_at", "vintage", "file", "line"])
    # Of what came at once the newest vintage counts; an old spreadsheet that comes late is no news.
    newest = pl.col("vintage") == pl.col("vintage").cum_max().over(_FACT)
    current = ordered.filter(newest).unique([*_FACT, "known_at"], keep="last", maintain_order=True)
    repeats = pl.col("value").eq_missing(pl.col("value").shift(1).over(_FACT))
    first = pl.int_range(pl.len()).over(_FACT) == 0
    return current.filter(first | ~repeats)
