"""When a bar ended and when it was known.

What does not belong here: which bars are on a session (`align/`). A row on a closed day still needs a
timestamp here, so that it can travel on and be quarantined with its reason.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from lim_pipelines.exchanges import EXCHANGES, FIRST_CALENDAR_YEAR, get_exchange, segments, sessions
from lim_pipelines.schemas import UTC_TIME


def session_grid(mic: str, first: date, last: date) -> pl.DataFrame:
    """Sessions as `exchanges.sessions`, silently empty before the first known session year."""
    return sessions(
        mic, max(first, date(FIRST_CALENDAR_YEAR, 1, 1)), max(last, date(FIRST_CALENDAR_YEAR, 1, 1))
    )


def segment_grid(mic: str, first: date, last: date) -> pl.DataFrame:
    """Stretches of trading as `exchanges.segments`, silently empty before the first known session year."""
    return segments(
        mic, max(first, date(FIRST_CALENDAR_YEAR, 1, 1)), max(last, date(FIRST_CALENDAR_YEAR, 1, 1))
    )


def stamp_daily(frame: pl.DataFrame) -> pl.DataFrame:
    """Give daily rows their `ts` and `known_at`.

    Parameters
    ----------
    frame
        Columns exchange (registered) and date, without nulls.

    Returns
    -------
    pl.DataFrame
        The same rows in the same order with `ts` = the session's close, on closed days the last second of the
        day on the exchange's clock, and `known_at` = `ts` + the exchange's feed lag.
    """
    stamped = []
    for mic, first, last in _spans(frame):
        grid = session_grid(mic, first, last).select("date", ts="close", exchange=pl.lit(mic))
        stamped.append(grid)
    if not stamped:
        return frame.with_columns(ts=pl.lit(None, UTC_TIME), known_at=pl.lit(None, UTC_TIME))
    joined = frame.join(pl.concat(stamped), on=["exchange", "date"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("ts").fill_null(_end_of_day(frame))).with_columns(
        known_at=pl.col("ts") + feed_lag()
    )


def last_second(day: pl.Expr, zone: str) -> pl.Expr:
    """Last second of a day on a zone's clock, in UTC.

    Counted back from midnight: hands that jump forward in the evening (Singapore, 1981-12-31) never show it.
    """
    midnight = day.dt.offset_by("1d").cast(pl.Datetime("us")).dt.replace_time_zone(zone, ambiguous="earliest")
    return midnight.dt.convert_time_zone("UTC").cast(UTC_TIME) - pl.duration(seconds=1)


def feed_lag() -> pl.Expr:
    """Feed lag of the row's exchange (column exchange) as a duration."""
    lags = {mic: exchange.feed_lag for mic, exchange in EXCHANGES.items()}
    return pl.col("exchange").replace_strict(lags, return_dtype=pl.Duration("us"))


def _spans(frame: pl.DataFrame) -> list[tuple[str, date, date]]:
    spans = frame.group_by("exchange").agg(first=pl.col("date").min(), last=pl.col("date").max())
    return list(spans.sort("exchange").iter_rows())


def _end_of_day(frame: pl.DataFrame) -> pl.Expr:
    moments = pl.lit(None, UTC_TIME)
    for mic in frame["exchange"].unique().to_list():
        end = last_second(pl.col("date"), get_exchange(mic).timezone)
        moments = pl.when(pl.col("exchange") == mic).then(end).otherwise(moments)
    return moments
