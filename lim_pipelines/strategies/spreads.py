r"""Spreads of pairs as instruments of their own: what the backbone reads of them, and how far they are out.

The spread of a pair is an instrument whose log return is :math:`r^{(1)} - \beta r^{(2)}`, the return of a
unit of the first against :math:`\beta` of the second. Its bars have an open and a close. High and low of
the legs fall on different moments, and volumes do not subtract: both are missing.

What does not belong here: which instruments are pairs (`pair_selection.py`), samples (`pairs.py`), positions
(`portfolio/pair_books.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.finetune.selection import Formation, Pair

_KEY = ("instrument_id", "date")
_MISSING = pl.lit(None, dtype=pl.Float64)


def spread_bars(bars: pl.DataFrame, pairs: Sequence[Pair]) -> pl.DataFrame:
    """Bars of spreads, of the sessions on which both legs have one.

    Parameters
    ----------
    bars
        Daily bars of the legs, one revision a bar.
    pairs
        The pairs; a leg without bars leaves its pair out.

    Returns
    -------
    pl.DataFrame
        Columns exchange (the first leg's), instrument_id (`Pair.name`), date, freq, asset_class, ts and
        known_at (the later leg's), open, high, low, close, volume, ex_factor; what `build_series` and
        `daily_returns` need. Prices are relative: 1 would be both legs at their first bar.
    """
    legs = _legs(bars)
    names = pl.DataFrame(
        [(pair.name, pair.first, pair.second, pair.hedge) for pair in pairs],
        schema={"name": pl.String, "first": pl.String, "second": pl.String, "hedge": pl.Float64},
        orient="row",
    )
    rows = names.join(legs, left_on="first", right_on="instrument_id").join(
        legs, left_on=["second", "date"], right_on=["instrument_id", "date"], suffix="_2"
    )
    spread = {at: pl.col(at) - pl.col("hedge") * pl.col(f"{at}_2") for at in ("opens", "closes")}
    return rows.select(
        "exchange",
        pl.col("name").alias("instrument_id"),
        "date",
        "freq",
        "asset_class",
        pl.max_horizontal("ts", "ts_2"),
        pl.max_horizontal("known_at", "known_at_2"),
        spread["opens"].exp().alias("open"),
        _MISSING.alias("high"),
        _MISSING.alias("low"),
        spread["closes"].exp().alias("close"),
        _MISSING.alias("volume"),
        pl.lit(1.0).alias("ex_factor"),
    ).sort(_KEY)


def _legs(bars: pl.DataFrame) -> pl.DataFrame:
    """Levels of each instrument's log total return at open and close."""
    closes = pl.col("log_return").fill_null(0.0).cum_sum().over("instrument_id", order_by="date")
    overnight = pl.when(pl.col("open") > 0).then((pl.col("open") / pl.col("close")).log())
    return (
        daily_returns(bars)
        .with_columns(closes=closes)
        .join(bars.select(*_KEY, "freq", "asset_class", "known_at", "open"), on=_KEY)
        .with_columns(opens=pl.col("closes") + overnight)
        .drop("close", "log_return", "open")
    )


def z_scores(spreads: pl.DataFrame, window: int) -> pl.DataFrame:
    """How far spreads are from their mean of the last sessions, in standard deviations.

    Parameters
    ----------
    spreads
        As from `spread_bars`.
    window
        Sessions of mean and deviation, the session itself included.

    Returns
    -------
    pl.DataFrame
        Columns instrument_id, date, z_score; sorted. Null where the history is shorter than the window, or
        the spread did not move.
    """
    level = pl.col("close").log()
    mean = level.rolling_mean(window).over("instrument_id", order_by="date")
    deviation = level.rolling_std(window).over("instrument_id", order_by="date")
    moved = pl.when(deviation > 1e-9).then((level - mean) / deviation)
    return spreads.select(*_KEY, z_score=moved).sort(_KEY)


def stretch(bars: pl.DataFrame, formation: Formation, before: int, behind: int) -> pl.DataFrame:
    """Bars around the sessions that a formation is for.

    Parameters
    ----------
    bars
        Daily bars, one revision a bar.
    formation
        The pairs' time.
    before, behind
        Sessions that are kept before `since`, and from `until` on.
    """
    days: list[date] = bars["date"].unique().sort().to_list()
    first = max(sum(day < formation.since for day in days) - before, 0)
    last = len(days)
    if formation.until is not None:
        last = sum(day < formation.until for day in days) + behind
    kept = days[first:last]
    return bars.filter(pl.col("date").is_in(kept))
