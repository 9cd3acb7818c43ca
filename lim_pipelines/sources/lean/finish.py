"""What bars get once they are read: their exchange, ex factor, open interest, and honest moments.

What does not belong here: reading (`bars.py`), whose events they are (`maps.py`, `factors.py`).
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

import polars as pl

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.schemas import UTC_TIME
from lim_pipelines.sources.base import SourceFile
from lim_pipelines.sources.clock import segment_grid, session_grid
from lim_pipelines.sources.lean.factors import Event
from lim_pipelines.sources.lean.maps import Use

STALE_AFTER = timedelta(days=5)
"""Open interest published longer ago says nothing of a bar."""


def with_exchange(rows: pl.DataFrame, uses: list[Use]) -> pl.DataFrame:
    """Put each bar on the exchange of the firm that had the ticker on its date."""
    if len({use.exchange for use in uses}) < 2:
        return rows
    exchange = pl.col("exchange")
    for use in uses:
        exchange = pl.when(_during(use)).then(pl.lit(use.exchange)).otherwise(exchange)
    return rows.with_columns(exchange.alias("exchange"))


@lru_cache(maxsize=4096)
def ex_events(uses: tuple[Use, ...], events: tuple[tuple[Event, ...], ...]) -> pl.DataFrame:
    """When each event of the firms that had a ticker takes effect.

    Parameters
    ----------
    uses
        The firms' times with the ticker.
    events
        For each of `uses`, those of its firm.

    Returns
    -------
    pl.DataFrame
        Columns at (the open of the first session without it, UTC), date (of that session) and ratio, sorted.
    """
    frames = []
    for use, mine in zip(uses, events, strict=True):
        if not mine:
            continue
        frame = pl.DataFrame(
            {"after": [event.after for event in mine], "ratio": [event.ratio for event in mine]},
            schema={"after": pl.Date, "ratio": pl.Float64},
        )
        first, last = mine[0].after, mine[-1].after + timedelta(days=14)
        grid = session_grid(use.exchange, first, last).select("date", at="open", session="date")
        # An event on the eve of LEAN's end of time has no session after it yet.
        found = frame.sort("after").join_asof(
            grid, left_on="after", right_on="session", strategy="forward", allow_exact_matches=False
        )
        frames.append(found.drop_nulls("at").filter(_during(use)).select("at", "date", "ratio"))
    empty = pl.DataFrame(schema={"at": UTC_TIME, "date": pl.Date, "ratio": pl.Float64})
    return pl.concat([empty, *frames]).sort("at")


def with_ex_factor(rows: pl.DataFrame, events: pl.DataFrame, before: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Give each event to the first bar after the open at which it takes effect, once for each price type.

    Parameters
    ----------
    rows
        Bars of one ticker and one length, a block of a file.
    events
        From `ex_events`.
    before
        Events not given yet, by price type: blocks of one file share it. An event of a session before the
        file's first is none of its business.

    Returns
    -------
    pl.DataFrame
        The same bars in the same order. Bars before the session's open, where some are, still belong to the
        day before.
    """
    if rows.is_empty() or events.is_empty():
        return rows
    factors = []
    for kind in rows["price_type"].unique().sort():
        times = rows.filter(pl.col("price_type") == kind).select("date", "ts").sort("ts")
        first = times["date"].min()
        waiting = before.get(kind, events.filter(pl.col("date") >= first))
        if waiting.is_empty() or waiting["at"][0] >= times["ts"][-1]:
            before[kind] = waiting
            continue
        given = waiting.join_asof(
            times.select("ts"), left_on="at", right_on="ts", strategy="forward", allow_exact_matches=False
        )
        # join_asof keeps the left time; the bar's own is needed.
        before[kind] = given.filter(pl.col("ts").is_null()).select(events.columns)
        factors.append(
            given.drop_nulls("ts")
            .group_by("ts")
            .agg(_factor=pl.col("ratio").product())
            .with_columns(price_type=pl.lit(kind))
        )
    if not factors:
        return rows
    found = pl.concat(factors)
    joined = rows.join(found, on=["price_type", "ts"], how="left", maintain_order="left")
    return joined.with_columns(ex_factor=pl.col("ex_factor") * pl.col("_factor").fill_null(1.0)).drop(
        "_factor"
    )


def with_open_interest(rows: pl.DataFrame, published: pl.DataFrame) -> pl.DataFrame:
    """Give trades the open interest last published before their session.

    Open interest of a session is published the next morning, so only values stamped before the bar's date
    count, and not those of more than `STALE_AFTER` before.

    Parameters
    ----------
    rows
        Bars.
    published
        Columns symbol, date, open_interest.
    """
    if rows.is_empty() or published.is_empty():
        return rows
    order = "_order"
    found = (
        rows.drop("open_interest")
        .with_row_index(order)
        .sort("date")
        .join_asof(
            published.select("symbol", "date", "open_interest").sort("date"),
            on="date",
            by="symbol",
            strategy="backward",
            allow_exact_matches=False,
            tolerance=STALE_AFTER,
            check_sortedness=False,
        )
        .sort(order)
    )
    return found.select(rows.columns)


def end_with_session(rows: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    """Let an hour in which trading ends be known when it does, rather than at the full hour.

    LEAN's hours are those of the clock: where a session, or a stretch of it, closes within one, the bar holds
    nothing later.
    """
    if rows.is_empty():
        return rows
    first, last = rows["date"].min(), rows["date"].max()
    parts = []
    for mic in rows["exchange"].unique().sort():
        grid = segment_grid(mic, first - timedelta(days=1), last + timedelta(days=1))  # type: ignore[operator,arg-type]
        parts.append(grid.select("close", _opened="open", exchange=pl.lit(mic)))
    closes = pl.concat(parts).sort("close")
    order = "_order"
    begun = pl.col("ts") - timedelta(hours=1)
    joined = (
        rows.with_row_index(order)
        .with_columns(_begun=begun)
        .sort("_begun")
        .join_asof(
            closes,
            left_on="_begun",
            right_on="close",
            by="exchange",
            strategy="forward",
            allow_exact_matches=False,
            coalesce=False,
            check_sortedness=False,
        )
        .sort(order)
    )
    within = (pl.col("close_right") < pl.col("ts")) & (pl.col("_opened") < pl.col("close_right"))
    ts = pl.when(within.fill_null(False)).then("close_right").otherwise("ts")
    return _known(joined.with_columns(ts=ts), ts, file).select(rows.columns)


def known_after_vendors_day(rows: pl.DataFrame, file: SourceFile, zone: str) -> pl.DataFrame:
    """Let a daily bar be known no earlier than the vendor's day is over, where that is no session.

    LEAN's daily bars of futures and currencies are days of the data's clock: one in UTC holds the first
    hours of Chicago's next session. Such a bar keeps the session's close as its `ts` - there is no other
    place for it - but is known only when its day is over. Where a session lies within the vendor's day,
    the bar holds that session and is known after its close.
    """
    if rows.is_empty():
        return rows
    mic = rows["exchange"][0]
    grid = session_grid(mic, rows["date"].min(), rows["date"].max()).select("date", "open", "close")  # type: ignore[arg-type]
    midnight = pl.col("date").cast(pl.Datetime("us"))
    begins, ends = (
        moment.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone(
            "UTC"
        )
        for moment in (midnight, midnight.dt.offset_by("1d"))
    )
    joined = rows.join(
        grid.rename({"open": "_open", "close": "_close"}), on="date", how="left", maintain_order="left"
    )
    joined = joined.with_columns(_begins=begins, _ends=ends)
    whole = (pl.col("_open") >= pl.col("_begins")) & (pl.col("_close") <= pl.col("_ends"))
    over = pl.when(whole.fill_null(False)).then("ts").otherwise(pl.max_horizontal("ts", "_ends"))
    return _known(joined, over, file).select(rows.columns)


def _known(rows: pl.DataFrame, over: pl.Expr, file: SourceFile) -> pl.DataFrame:
    lags = {mic: get_exchange(mic).feed_lag for mic in rows["exchange"].unique()}
    known = over + pl.col("exchange").replace_strict(lags, return_dtype=pl.Duration("us"))
    if not file.history:
        known = pl.max_horizontal(known, pl.lit(file.arrived_at, UTC_TIME))
    return rows.with_columns(known_at=known)


def _during(use: Use) -> pl.Expr:
    after = pl.col("date") >= use.first
    return after if use.last is None else after & (pl.col("date") <= use.last)
