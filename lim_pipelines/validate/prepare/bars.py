"""Columns that rules read of a bar by itself, its session, its exchange's rules and its listing.

What does not belong here: bid beside ask (`quotes.py`), the sessions before (`history.py`), other bars of the
session (`agreement.py`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from lim_pipelines.exchanges import get_exchange, rules
from lim_pipelines.instruments import ASSET_CLASSES
from lim_pipelines.schemas import INTRADAY, PRICE_TYPES, SESSIONS_AND_LONGER
from lim_pipelines.sources.clock import segment_grid, session_grid
from lim_pipelines.validate.prepare.runs import Runs, unknown

PRICES: Final = ("open", "high", "low", "close")
ROUNDING: Final = 1.2e-7
"""Relative error of a price that was held in 32 bits, as several vendors do."""
TICKING: Final = ("future", "fx", "cfd")
"""Asset classes whose every price is a whole tick. Coins' venues change theirs, and nobody keeps when."""
TRADES_ON_TICK: Final = ("XSHG", "XSHE")
"""Exchanges where shares trade at ticks only. Elsewhere trades print inside the tick, at midpoints and in
average prices (SEC rule 612 binds quotes): 2 % of real daily bars have a price within the cent."""
TICKS_ABOVE: Final = 1.0
"""Ticks that exchanges set for shares hold from this price on; below it they are finer."""


def of_listings(runs: Runs, listings: pl.DataFrame) -> pl.DataFrame:
    """Facts of each run's instrument: a row a run.

    Parameters
    ----------
    runs
        Runs of bars.
    listings
        Frame of `LISTINGS`; where several sources list an instrument, the best priority is believed.

    Returns
    -------
    pl.DataFrame
        tick, lot, multiplier, root, days_to_expiry, listed (whether a listing holds on the date); null where
        no listing says.
    """
    said = (
        listings.sort("priority", "source", "known_at")
        .group_by("instrument_id", maintain_order=True)
        .agg(
            tick=pl.col("tick_size").drop_nulls().first(),
            lot=pl.col("lot_size").drop_nulls().first(),
            multiplier=pl.col("multiplier").first(),
            root=pl.col("root").drop_nulls().first(),
            expiry=pl.col("expiry").max(),
            _from=pl.col("first").min(),
            _until=pl.col("last").fill_null(pl.date(9999, 12, 31)).max(),
        )
    )
    found = runs.heads.select("instrument_id", "date").join(
        said, on="instrument_id", how="left", maintain_order="left"
    )
    return found.select(
        *("tick", "lot", "multiplier", "root"),
        days_to_expiry=(pl.col("expiry") - pl.col("date")).dt.total_days(),
        listed=pl.col("date").is_between("_from", "_until"),
    )


def of_exchanges(runs: Runs) -> pl.DataFrame:
    """Rules of each run's exchange on its date: a row a run.

    Returns
    -------
    pl.DataFrame
        share_tick and price_limit, of shares; null where the exchange has none.
    """
    days = runs.heads.select("exchange", "date").unique()
    mics = days["exchange"].unique().to_list()
    # A calendar of thousands of days has a handful of rules.
    plain = {
        mic
        for mic in mics
        if all(rule.tick_size is None and rule.price_limit is None for _, rule in get_exchange(mic).rules)
    }
    ruled = [(mic, day, rules(mic, day)) for mic, day in days.rows() if mic not in plain]
    book = pl.DataFrame(
        [(mic, day, rule.tick_size, rule.price_limit) for mic, day, rule in ruled],
        schema={
            "exchange": pl.String,
            "date": pl.Date,
            "share_tick": pl.Float64,
            "price_limit": pl.Float64,
        },
        orient="row",
    )
    shares = pl.col("asset_class") == "equity"
    heads = runs.heads.select("exchange", "date", "asset_class")
    if book.is_empty():
        return unknown(heads.height, ("share_tick", "price_limit"))
    found = heads.join(book, on=["exchange", "date"], how="left", maintain_order="left")
    return found.select(pl.when(shares).then(name).alias(name) for name in ("share_tick", "price_limit"))


def of_heads(runs: Runs) -> pl.DataFrame:
    """Judge each run by its head: a row a run.

    Returns
    -------
    pl.DataFrame
        known_values (names are filled, and those of lists are in them) and long (a session or more).
    """
    lengths = [*INTRADAY, *SESSIONS_AND_LONGER]
    return runs.heads.select(
        known_values=pl.all_horizontal(pl.col(name) != "" for name in ("exchange", "instrument_id", "source"))
        & pl.col("freq").is_in(lengths)
        & pl.col("price_type").is_in(PRICE_TYPES)
        & pl.col("asset_class").is_in(ASSET_CLASSES),
        long=pl.col("freq").is_in(SESSIONS_AND_LONGER),
    )


def in_session(frame: pl.DataFrame, long: pl.Series) -> pl.Series:
    """Whether each bar ends within a stretch of its session's trading, a daily one at its close.

    Parameters
    ----------
    frame
        Bars.
    long
        Whether a bar is of a session or more, shape (rows,).
    """
    found = pl.repeat(False, frame.height, eager=True).alias("in_session")
    mics = frame["exchange"].unique().to_list()
    for mic in mics:
        here = None if len(mics) == 1 else frame["exchange"] == mic
        part, whole = (frame, long) if here is None else (frame.filter(here), long.filter(here))
        first, last = part.select(pl.col("date").min(), last=pl.col("date").max()).row(0)
        good = _inside(part.select("date", "ts"), session_grid(mic, first, last), "date", whole)
        if not whole.all():
            good = good | _inside(part.select("date", "ts"), segment_grid(mic, first, last), "close", ~whole)
        if here is None:
            return good.alias("in_session")
        found = found.scatter(here.arg_true(), good)
    return found


def _inside(rows: pl.DataFrame, grid: pl.DataFrame, by: str, asked: pl.Series) -> pl.Series:
    """Whether the rows asked for end in the stretch of the grid that is the first not before their value."""
    places = grid[by].search_sorted(rows["date" if by == "date" else "ts"], side="left")
    beside = pl.concat([grid, grid.clear(n=1)]).select(pl.all().gather(places).name.prefix("grid_"))
    ends = pl.col("ts") == pl.col("grid_close") if by == "date" else pl.col("grid_open") < pl.col("ts")
    same = pl.col("grid_date") == pl.col("date")
    verdict = pl.concat([rows, beside], how="horizontal").select((ends & same).fill_null(False)).to_series()
    return verdict & asked


def steps(runs: Runs, facts: pl.DataFrame) -> pl.DataFrame:
    """Find the steps that prices and volumes of each run move in: a row a run.

    Parameters
    ----------
    runs
        Runs of bars.
    facts
        Columns tick, share_tick and lot: a row a run.

    Returns
    -------
    pl.DataFrame
        tick, null if unknown or none; tick_from, the price below which it is finer, null if it never is; lot,
        null if unknown.
    """
    shares, quoted = pl.col("asset_class") == "equity", pl.col("price_type").is_in(["bid", "ask"])
    strict = pl.col("exchange").is_in(TRADES_ON_TICK)
    ticking = pl.col("asset_class").is_in(TICKING) & (pl.col("price_type") != "mid")
    lot = (
        pl.when(pl.col("asset_class") == "equity")
        .then(1.0)
        .when(pl.col("asset_class") == "crypto")
        .then("lot")
        .when(pl.col("asset_class") == "future")
        .then(pl.col("lot").fill_null(1.0))
    )
    heads = runs.heads.select("exchange", "asset_class", "price_type")
    return pl.concat([heads, facts.select("tick", "share_tick", "lot")], how="horizontal").select(
        tick=pl.when(shares & strict)
        .then(pl.coalesce("tick", "share_tick"))
        .when(shares & quoted)
        .then("share_tick")
        .when(~shares & ticking)
        .then("tick"),
        tick_from=pl.when(shares & ~strict & quoted).then(TICKS_ABOVE),
        lot=lot,
    )


def on_tick(rows: pl.DataFrame) -> pl.Expr:
    """Whether all prices are whole ticks; null if unknown.

    Parameters
    ----------
    rows
        Bars with tick and tick_from.
    """
    if rows["tick"].null_count() == rows.height:
        return pl.lit(None, pl.Boolean)
    finer = (pl.min_horizontal(PRICES) < pl.col("tick_from")).fill_null(False)
    tick = pl.when(~finer).then("tick")
    return pl.all_horizontal(_multiple(pl.col(name), tick).fill_null(True) for name in PRICES)


def on_lot() -> pl.Expr:
    """Whether volumes are whole shares, or whole lots of contracts and coins; null if unknown."""
    return _multiple(pl.col("volume"), pl.col("lot"))


def _multiple(value: pl.Expr, step: pl.Expr) -> pl.Expr:
    off = (value - (value / step).round() * step).abs()
    return off <= pl.max_horizontal(step * 1e-6, value.abs() * ROUNDING)


def complete_bar() -> pl.Expr:
    """Whether nothing but extras is missing of a share's day of trades; true of other bars."""
    asked = (pl.col("asset_class") == "equity") & (pl.col("freq") == "1d") & (pl.col("price_type") == "trade")
    return ~asked | pl.all_horizontal(pl.col(name).is_not_null() for name in (*PRICES, "volume"))


def vwap_beyond_range() -> pl.Expr:
    """How far the volume-weighted price lies outside the bar's range, as a share of the price; 0 inside."""
    beyond = pl.max_horizontal(pl.col("vwap") - pl.col("high"), pl.col("low") - pl.col("vwap"), 0.0)
    given = pl.all_horizontal(pl.col(name).is_not_null() for name in ("vwap", "high", "low"))
    return pl.when(given).then(beyond / pl.col("vwap").abs())


def turnover_beyond_range() -> pl.Expr:
    """How far turnover by unit lies outside the bar's range, as a share of the close; 0 inside."""
    price = pl.col("turnover") / (pl.col("volume") * pl.col("multiplier").fill_null(1.0))
    beyond = pl.max_horizontal(price - pl.col("high"), pl.col("low") - price, 0.0)
    given = price.is_finite() & pl.col("high").is_not_null() & pl.col("low").is_not_null()
    return pl.when(given).then(beyond / pl.col("close").abs())
