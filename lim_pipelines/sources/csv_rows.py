"""Rows of a dropped csv: every line becomes a quote or a quarantined row with its line number.

What does not belong here: opening files (`landed.py`), the landing layout (`csv_drop.py`).

Columns: symbol, date (YYYY-MM-DD, daily bars) or timestamp (end of an intraday bar, ISO 8601; without an
offset it is on the exchange's clock), open, high, low, close, volume; optional freq (default 1d, or 1m
with timestamps) and ex_factor (default 1). Comma-separated UTF-8, no commas inside fields. Empty open,
high, low and volume are missing values. The file ends with a line break: a number cut in half would
otherwise pass for a smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, get_exchange
from lim_pipelines.schemas import RAW_QUOTES, UTC_TIME
from lim_pipelines.sources.base import Parsed, RejectedFileError
from lim_pipelines.sources.clock import feed_lag, session_grid, stamp_daily
from lim_pipelines.sources.duplicates import split_duplicates
from lim_pipelines.sources.quarantine import quarantine

REQUIRED = ("symbol", "open", "high", "low", "close", "volume")
WHEN = ("date", "timestamp")
OPTIONAL = ("freq", "ex_factor")
NUMBERS = ("open", "high", "low", "close", "volume", "ex_factor")
_NOT_GIVEN = ("turnover", "vwap", "trades", "open_interest")
_CALENDAR_START = date(FIRST_CALENDAR_YEAR, 1, 1)

REASONS = {
    "wrong_field_count": "the line has more or fewer fields than the header; correct the line",
    "missing_symbol": "the symbol is empty; fill it in",
    "unparsable_date": "the date or timestamp is not ISO 8601, or an ambiguous local time; correct it",
    "before_calendar": f"sessions before {FIRST_CALENDAR_YEAR} are not known; leave the row out",
    "unknown_freq": "a date goes with freq 1d, a timestamp with a shorter one; correct freq",
    "unparsable_number": "a price, volume or factor is no finite number; correct it, or leave it empty",
    "missing_close": "the close is empty; fill it in",
    "future_bar": "the bar ends after the file arrived; correct the date",
}


@dataclass(frozen=True)
class Origin:
    """Where a text comes from.

    Parameters
    ----------
    path
        Path under the landing folder.
    mic
        Registered exchange.
    arrived_at
        When the file arrived (UTC).
    history
        Whether its rows count as known at the bar's end plus the feed's lag, not at arrival.
    """

    path: str
    mic: str
    arrived_at: datetime
    history: bool


def parse(content: bytes, origin: Origin) -> Parsed:
    """Parse the content of a dropped csv.

    Returns
    -------
    Parsed
        Lines in = rows + rejected, not counting the header and blank lines.

    Raises
    ------
    RejectedFileError
        encoding, empty_file, truncated, wrong_columns.
    """
    text = _decode(content, origin.path)
    header, lines = _lines(text, origin.path)
    columns = _columns(header, origin.path)
    fields = _fields(lines, columns)
    rows = _stamp(_typed(fields, columns, origin), origin)
    rows = rows.with_columns(_verdict("timestamp" in columns))

    failing = rows.filter(pl.col("rule").is_not_null()).with_columns(
        reason=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String)
    )
    good = rows.filter(pl.col("rule").is_null()).drop("rule")
    good = good.with_columns(price_type=pl.lit("trade"), **dict.fromkeys(_NOT_GIVEN))
    kept, repeated = split_duplicates(good, RAW_QUOTES.row_key, ["line"])
    held = pl.concat([failing, repeated], how="diagonal").sort("line")
    # A row without a usable date is filed beside its neighbours in the file, where people will look for it;
    # a date that no partition has would hide it.
    usable = pl.when(~pl.col("future") & ~_before_calendar()).then(pl.col("date"))
    alone = pl.when(_before_calendar()).then(_CALENDAR_START).otherwise(origin.arrived_at.date())
    filed = rows.with_columns(usable_date=usable).select(
        "line", filed_under=pl.coalesce(_nearest("usable_date"), alone.clip(_CALENDAR_START))
    )
    held = held.join(filed, on="line").with_columns(
        date="filed_under",
        symbol=pl.col("symbol").fill_null("").str.slice(0, 100),
        text=pl.col("text").str.slice(0, 2000),
        known_at=pl.lit(origin.arrived_at, UTC_TIME),
    )
    return Parsed(RAW_QUOTES.conform(kept), quarantine("parse", held, ["text"]))


def _decode(content: bytes, path: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RejectedFileError(
            path, "encoding", f"line {line} is not UTF-8", "save the file as UTF-8"
        ) from error
    if "\0" in text:
        raise RejectedFileError(path, "encoding", "it holds NUL characters", "save the file as UTF-8")
    return text


def _lines(text: str, path: str) -> tuple[str, pl.DataFrame]:
    if not text.strip(" \t\r\n"):
        raise RejectedFileError(path, "empty_file", "it holds nothing", "drop the complete file again")
    if not text.endswith("\n"):
        raise RejectedFileError(
            path,
            "truncated",
            f"line {text.count(chr(10)) + 1} does not end with a line break, it may be cut",
            "drop the complete file again; if it is complete, end it with a line break",
        )
    lines = pl.Series("text", [text]).str.split("\n").explode().str.strip_chars_end("\r")
    frame = lines.to_frame().with_row_index("line", offset=1).cast({"line": pl.Int64})
    header = frame["text"][0]
    rows = frame.filter((pl.col("line") > 1) & (pl.col("text").str.strip_chars(" \t\r") != ""))
    if rows.is_empty():
        raise RejectedFileError(
            path, "empty_file", "it holds a header and no rows", "drop the complete file again"
        )
    return header, rows


def _columns(header: str, path: str) -> list[str]:
    names = [name.strip().strip('"').strip().lower() for name in header[:2000].split(",")]
    when = [name for name in WHEN if name in names]
    missing = [name for name in REQUIRED if name not in names]
    unexpected = sorted(set(names) - {*REQUIRED, *WHEN, *OPTIONAL})
    problems = []
    if missing:
        problems.append(f"missing {', '.join(missing)}")
    if len(when) != 1:
        problems.append("exactly one of date and timestamp is needed")
    if unexpected:
        problems.append(f"unexpected {', '.join(map(repr, unexpected))[:300]}")
    if len(set(names)) < len(names):
        problems.append("a name occurs twice")
    if problems:
        wanted = f"symbol, date or timestamp, {', '.join(REQUIRED[1:])}; optional {', '.join(OPTIONAL)}"
        raise RejectedFileError(path, "wrong_columns", "; ".join(problems), f"the header must be: {wanted}")
    return names


def _fields(lines: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Text of every column, null in lines with another number of fields."""
    # Counted before they are split: a line of a million commas must not become a million fields.
    whole = pl.col("text").str.count_matches(",", literal=True) == len(columns) - 1
    parts = lines.with_columns(pl.when(whole).then(pl.col("text")).str.split(",").alias("parts"), whole=whole)
    clean = pl.col("parts").list
    return parts.select(
        "line",
        "text",
        "whole",
        *(clean.get(i).str.strip_chars(' \t"').alias(f"_{name}") for i, name in enumerate(columns)),
    )


def _typed(fields: pl.DataFrame, columns: list[str], origin: Origin) -> pl.DataFrame:
    """Typed values; null where a text cannot be read (`bad_number` says which of those are numbers)."""
    present = [name for name in NUMBERS if name in columns]
    value = {name: pl.col(f"_{name}").cast(pl.Float64, strict=False) for name in present}
    bad = [(pl.col(f"_{n}") != "") & ~value[n].is_finite().fill_null(False) for n in present]
    freq = "1m" if "timestamp" in columns else "1d"
    given = pl.col("_freq").replace("", freq) if "freq" in columns else pl.lit(freq)
    if "timestamp" in columns:
        moment = {"ts": _moment(origin.mic), "date": pl.lit(None, pl.Date)}
    else:
        moment = {"ts": pl.lit(None, UTC_TIME), "date": pl.col("_date").str.to_date("%Y-%m-%d", strict=False)}
    return fields.select(
        "line",
        "text",
        "whole",
        pl.lit(origin.mic).alias("exchange"),
        pl.lit("csv_drop").alias("source"),
        pl.lit(origin.path).alias("file"),
        pl.col("_symbol").alias("symbol"),
        given.fill_null(freq).alias("freq"),
        **moment,
        **{name: value.get(name, pl.lit(None, pl.Float64)) for name in NUMBERS},
        bad_number=pl.any_horizontal(bad).fill_null(False),
    ).with_columns(pl.col("ex_factor").fill_null(1.0))


def _moment(mic: str) -> pl.Expr:
    text = pl.col("_timestamp").str.replace(" ", "T", literal=True).str.replace("[zZ]$", "+00:00")
    form = "%Y-%m-%dT%H:%M:%S%.f"
    zone = get_exchange(mic).timezone
    local = text.str.to_datetime(form, strict=False, time_unit="us")
    local = local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    absolute = text.str.to_datetime(f"{form}%:z", strict=False, time_unit="us", time_zone="UTC")
    return pl.coalesce(absolute, local.dt.convert_time_zone("UTC"))


def _stamp(rows: pl.DataFrame, origin: Origin) -> pl.DataFrame:
    """Complete date, ts and known_at, and say which bars end after the arrival."""
    tomorrow = origin.arrived_at.date() + timedelta(days=1)
    rows = rows.with_columns(
        date=pl.coalesce(
            "date", pl.col("ts").dt.convert_time_zone(get_exchange(origin.mic).timezone).dt.date()
        )
    ).with_columns(far=(pl.col("date") > tomorrow).fill_null(False))
    usable = rows.filter(pl.col("date").is_not_null() & ~pl.col("far"))
    daily = stamp_daily(usable.filter(pl.col("ts").is_null()).drop("ts"))
    intraday = _in_sessions(usable.filter(pl.col("ts").is_not_null()), origin.mic)
    rest = rows.filter(pl.col("date").is_null() | pl.col("far"))
    known_at = pl.col("ts") + feed_lag()
    stamped = (
        pl.concat([daily, intraday, rest], how="diagonal")
        .sort("line")
        .with_columns(
            known_at=known_at
            if origin.history
            else pl.max_horizontal(known_at, pl.lit(origin.arrived_at, UTC_TIME))
        )
    )
    late = pl.col("ts") > pl.lit(origin.arrived_at, UTC_TIME)
    return stamped.with_columns(future=pl.col("far") | late.fill_null(False))


def _in_sessions(rows: pl.DataFrame, mic: str) -> pl.DataFrame:
    """Intraday rows under the date of their session, which may have begun the evening before."""
    if rows.is_empty():
        return rows
    first, last = rows["date"].min(), rows["date"].max()
    grid = session_grid(mic, first, last + timedelta(days=7)).select(  # type: ignore[operator,arg-type]
        session="date", session_open="open", session_close="close"
    )
    joined = rows.sort("ts").join_asof(grid, left_on="ts", right_on="session_close", strategy="forward")
    during = pl.col("ts") > pl.col("session_open")
    joined = joined.with_columns(date=pl.when(during).then("session").otherwise("date"))
    return joined.drop("session", "session_open", "session_close", strict=False)


def _verdict(intraday: bool) -> pl.Expr:
    """First rule that a row fails, or null."""
    wrong_freq = (pl.col("freq") == "1d") if intraday else (pl.col("freq") != "1d")
    failing = {
        "wrong_field_count": ~pl.col("whole"),
        "missing_symbol": pl.col("symbol") == "",
        "unparsable_date": pl.col("date").is_null(),
        "before_calendar": _before_calendar(),
        "unknown_freq": wrong_freq,
        "unparsable_number": pl.col("bad_number"),
        "missing_close": pl.col("close").is_null(),
        "future_bar": pl.col("future"),
    }
    return pl.coalesce(pl.when(bad).then(pl.lit(rule)) for rule, bad in failing.items()).alias("rule")


def _before_calendar() -> pl.Expr:
    """Whether the row's date lies before all sessions known, where no partition would hold it."""
    return (pl.col("date") < _CALENDAR_START).fill_null(False)


def _nearest(column: str) -> pl.Expr:
    return pl.col(column).forward_fill().backward_fill()
