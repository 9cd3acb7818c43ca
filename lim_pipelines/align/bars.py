"""Raw quotes onto the exchange's session grid, under stable instrument ids.

What does not belong here: whether prices make sense (`validate/`), corrections against what the lake already
holds (`revisions.py`).
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.instruments import listings
from lim_pipelines.schemas import ALIGNED_BARS, RAW_QUOTES, UTC_TIME
from lim_pipelines.sources.clock import session_grid
from lim_pipelines.sources.duplicates import split_duplicates
from lim_pipelines.sources.quarantine import quarantine

INTRADAY = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
}
"""Bar lengths within a session; daily bars are 1d, longer ones are resampled and never arrive."""

REASONS = {
    "unknown_symbol": "the source's symbol is no instrument on that date;"
    " add a listing in lim_pipelines/instruments.py and materialize again",
    "unknown_freq": f"the bar length is not one of 1d, {', '.join(INTRADAY)}; correct the file",
    "future_bar": "the bar ends after the moment it was known; correct its date or time",
    "closed_session": "the exchange's calendar has no session on that date;"
    " correct the date, or the calendar in lim_pipelines/exchanges.py",
    "outside_session": "the bar ends outside the session's hours; check the file's time zone",
    "off_grid": "the bar does not end a whole number of bar lengths after the session's open;"
    " bars are stamped with their end: check the file's time stamps",
    "superseded_source": "another source with a better priority gave this bar no later; nothing to do",
}


def align(raw: pl.DataFrame) -> Outcome:
    """Bring raw quotes to stable ids and the session grid.

    Parameters
    ----------
    raw
        Frame of `RAW_QUOTES`; any mix of exchanges, dates, sources and revisions.

    Returns
    -------
    Outcome
        Frame of `ALIGNED_BARS` with all revisions (rows that differ in `known_at`) kept, and the rows held
        back. Where two sources give one bar, the one of better priority wins from the moment it is known;
        what the other gave before stays, because it was all anyone had.
    """
    judged = _judge(_on_grid(_with_instrument(raw)))
    held = [judged.filter(pl.col("rule").is_not_null()).with_columns(_reason())]
    rows = judged.filter(pl.col("rule").is_null()).drop("rule")

    key = list(ALIGNED_BARS.key)
    rows, repeated = split_duplicates(rows, [*key, "known_at", "priority"], ["source", "file", "line"])
    held.append(repeated)
    rows, superseded = _split_superseded(rows, key)
    held.append(superseded)

    evidence = list(RAW_QUOTES.columns)
    columns = [*evidence, "rule", "reason"]
    quarantined = quarantine("align", pl.concat(frame.select(columns) for frame in held), evidence)
    aligned = rows.select(pl.col(name).cast(column.dtype) for name, column in ALIGNED_BARS.columns.items())
    return Outcome(aligned.sort(ALIGNED_BARS.row_key), quarantined)


def _with_instrument(raw: pl.DataFrame) -> pl.DataFrame:
    """Rows with instrument_id and priority, null where no listing is valid on the row's date."""
    on = ["source", "symbol", "exchange"]
    known = listings().with_columns(
        pl.col("first").fill_null(pl.date(1, 1, 1)), pl.col("last").fill_null(pl.date(9999, 12, 31))
    )
    rows = raw.with_row_index("row")
    matched = rows.join(known, on=on, how="inner").filter(pl.col("date").is_between("first", "last"))
    return rows.join(matched.select("row", "instrument_id", "priority"), on="row", how="left").drop("row")


def _on_grid(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with session_open and session_close, null on closed dates."""
    spans = rows.group_by("exchange").agg(
        first=pl.col("date").min(),
        # Sessions long after everything known here cannot matter, their bars are in the future; but a
        # session's bars may be known on the evening before its date.
        last=pl.min_horizontal(pl.col("date").max(), pl.col("known_at").max().dt.date().dt.offset_by("2d")),
    )
    empty = pl.DataFrame(schema={"date": pl.Date, "open": UTC_TIME, "close": UTC_TIME, "exchange": pl.String})
    grids = [
        session_grid(mic, first, last).with_columns(exchange=pl.lit(mic))
        for mic, first, last in spans.sort("exchange").iter_rows()
    ]
    grid = pl.concat([empty, *grids]).rename({"open": "session_open", "close": "session_close"})
    return rows.join(grid, on=["exchange", "date"], how="left")


def _judge(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the first rule that a row fails, or null."""
    length = pl.col("freq").replace_strict(INTRADAY, default=None, return_dtype=pl.Duration("us"))
    daily = pl.col("freq") == "1d"
    since_open = (pl.col("ts") - pl.col("session_open")).dt.total_microseconds()
    at_close = pl.col("ts") == pl.col("session_close")
    verdict = (
        pl.when(pl.col("instrument_id").is_null())
        .then(pl.lit("unknown_symbol"))
        .when(~daily & length.is_null())
        .then(pl.lit("unknown_freq"))
        .when(pl.col("ts") > pl.col("known_at"))
        .then(pl.lit("future_bar"))
        .when(pl.col("session_close").is_null())
        .then(pl.lit("closed_session"))
        .when((pl.col("ts") <= pl.col("session_open")) | (pl.col("ts") > pl.col("session_close")))
        .then(pl.lit("outside_session"))
        # The last bar of a session may be short: 6.5 hours hold seven hourly bars.
        .when(~at_close & (daily | (since_open % length.dt.total_microseconds() != 0)))
        .then(pl.lit("off_grid"))
    )
    return rows.with_columns(rule=verdict)


def _split_superseded(rows: pl.DataFrame, key: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    contested = pl.struct(key).is_duplicated()
    disputed = rows.filter(contested).with_columns(
        best=pl.col("priority").cum_min().over(key, order_by=["known_at", "priority"])
    )
    lost = pl.col("priority") > pl.col("best")
    kept = pl.concat([rows.filter(~contested), disputed.filter(~lost).drop("best")])
    superseded = disputed.filter(lost).with_columns(rule=pl.lit("superseded_source"))
    return kept, superseded.with_columns(_reason())


def _reason() -> pl.Expr:
    return pl.col("rule").replace_strict(REASONS, return_dtype=pl.String).alias("reason")
