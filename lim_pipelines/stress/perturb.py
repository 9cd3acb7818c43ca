"""Worse bars: prices off by part of the spread, bars that are missing. Pure functions of frames.

What comes out depends on instrument, time and seed alone: not on which other rows there are, so that every
read of the same bar sees the same, and a run repeats. What does not belong here: the lake that shows them
(`perturbed.py`), data that come late (`late.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.finetune.costs import Costs

Change = Callable[[pl.DataFrame], pl.DataFrame]
"""What becomes of a table's rows."""

PRICES = ("open", "high", "low", "close")
SEED = 20181123

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIXES = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def moved(bars: pl.DataFrame, size: float, costs: Costs, seed: int = SEED) -> pl.DataFrame:
    """Move every price of every bar up or down by part of half the bid-ask spread.

    A price that was dealt at the bid or at the ask is off the middle by half the spread, on a side that says
    nothing: R. Roll (1984), A simple implicit measure of the effective bid-ask spread, Journal of Finance 39.

    Parameters
    ----------
    bars
        Rows of `VALIDATED_BARS`; revisions of a bar are moved alike.
    size
        In half spreads of the strategy's cost model; 0 moves nothing.
    costs
        What the strategy pays.
    seed
        Of the sides.

    Returns
    -------
    pl.DataFrame
        As many rows in the same order. High and low stay the highest and the lowest of the four.
    """
    if size == 0:
        return bars
    rates = {mic: size * costs.spread_rate(mic) for mic in bars["exchange"].unique()}
    rate = pl.col("exchange").replace_strict(rates, return_dtype=pl.Float64)
    times = bars["ts"].dt.epoch("us").to_numpy()
    sides = {
        name: pl.Series(np.where(uniform(bars["instrument_id"], times, seed + i) < 0.5, -1.0, 1.0))
        for i, name in enumerate(PRICES)
    }
    shifted = bars.with_columns(
        (pl.col(name) * (1.0 + rate * pl.lit(side))).alias(name) for name, side in sides.items()
    )
    # Where the vendor gives no high or low there is none to keep right.
    high, low = pl.max_horizontal(PRICES), pl.min_horizontal(PRICES)
    return shifted.with_columns(
        high=pl.when(pl.col("high").is_not_null()).then(high),
        low=pl.when(pl.col("low").is_not_null()).then(low),
    )


def thinned(bars: pl.DataFrame, share: float, seed: int = SEED) -> pl.DataFrame:
    """Leave out a share of all instruments' sessions, with all bars and revisions of each.

    Sessions on which a price is restated (a split, a dividend, a roll) stay: a price without its factor is
    another fault than one that is missing, and would look like a crash.

    Parameters
    ----------
    bars
        Rows of `VALIDATED_BARS`.
    share
        From 0 (nothing) to 1 (all).
    seed
        Of the choice. What a smaller share leaves out a larger one does, too.
    """
    days = bars["date"].cast(pl.Int32).to_numpy().astype(np.int64)
    kept = pl.Series(uniform(bars["instrument_id"], days, seed) >= share)
    restated = (pl.col("ex_factor") != 1.0).any().over("instrument_id", "date")
    return bars.filter(kept | restated)


def uniform(names: pl.Series, numbers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) that look random and are the same for the same name, number and seed, shape (n,).

    G. Steele, D. Lea, C. Flood (2014), Fast splittable pseudorandom number generators, OOPSLA: SplitMix64,
    started from a hash of the name.
    """
    starts = {name: _hash(f"{seed}:{name}") for name in names.unique()}
    start = names.replace_strict(starts, return_dtype=pl.UInt64).to_numpy()
    state = start + numbers.astype(np.uint64) * _STEP
    for shift, factor in _MIXES:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    state ^= state >> np.uint64(31)
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
