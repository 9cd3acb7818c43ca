"""Drift: whether recent returns still look like those that models were trained on.

What does not belong here: what to do about it (the retraining policy).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from lim_pipelines.schemas import ONE_PRICE
from lim_pipelines.simulate.processes import Floats

BINS = 10
CUSTOMARY_ALARM = 0.25


@dataclass(frozen=True)
class Drift:
    """Drift of one exchange.

    Parameters
    ----------
    exchange
        Market identifier.
    psi
        Population stability index between reference and recent standardised returns.
    threshold
        Alarm level: the customary 0.25, or the most that any stretch of the reference window, as long as the
        recent one, differs from the whole, if that is more.
    reference_sessions, recent_sessions
        Sessions in the two windows.
    """

    exchange: str
    psi: float
    threshold: float
    reference_sessions: int
    recent_sessions: int

    @property
    def drifted(self) -> bool:
        """Whether the index is above its alarm level."""
        return self.psi > self.threshold


def drift(bars: pl.DataFrame, reference: tuple[date, date], recent: tuple[date, date]) -> list[Drift]:
    """Compare recent daily returns of each exchange with those of a reference window.

    Parameters
    ----------
    bars
        Validated bars, one revision a bar; only daily ones are used.
    reference, recent
        First and last session of the windows, included; no overlap.

    Returns
    -------
    list of Drift
        One for each exchange that has returns in both windows, sorted.

    Notes
    -----
    Returns are divided by their instrument's standard deviation in the reference window, so that the index
    sees changes of volatility and of shape, not of the mix of instruments. The customary alarm level supposes
    independent rows; instruments move together and volatility clusters, so the reference window itself tells
    what chance does. With b stretches a false alarm comes about once in b + 1 checks.
    """
    one_price = pl.col("price_type").is_in(ONE_PRICE)
    daily = bars.filter((pl.col("freq") == "1d") & one_price).sort("instrument_id", "ts")
    before = (pl.col("close").shift(1) * pl.col("ex_factor")).over("instrument_id")
    ratio = pl.col("close") / before
    returns = daily.select(
        "exchange", "instrument_id", "date", r=pl.when(ratio > 0).then(ratio.log())
    ).drop_nulls()
    past = returns.filter(pl.col("date").is_between(*reference))
    scale = past.group_by("instrument_id").agg(mean=pl.col("r").mean(), std=pl.col("r").std())
    scored = returns.join(scale.filter(pl.col("std") > 0), on="instrument_id").with_columns(
        z=(pl.col("r") - pl.col("mean")) / pl.col("std")
    )
    found = []
    for mic in scored["exchange"].unique().sort():
        here = scored.filter(pl.col("exchange") == mic)
        old = here.filter(pl.col("date").is_between(*reference))
        new = here.filter(pl.col("date").is_between(*recent))
        if old.height < BINS or new.is_empty():
            continue
        n, m = old["date"].n_unique(), new["date"].n_unique()
        base = old["z"].to_numpy()
        stretches = old.with_columns(stretch=(pl.col("date").rank("dense") - 1) // m)
        full = stretches.filter(pl.col("stretch") < n // m).partition_by("stretch")
        chance = [population_stability_index(base, part["z"].to_numpy()) for part in full]
        psi = population_stability_index(base, new["z"].to_numpy())
        found.append(Drift(mic, psi, max([CUSTOMARY_ALARM, *chance]), n, m))
    return found


def population_stability_index(reference: Floats, recent: Floats) -> float:
    """Return the population stability index of two samples, over the deciles of the first.

    Parameters
    ----------
    reference, recent
        Samples, shape (n,) and (m,), finite.

    Returns
    -------
    float
        0 for equal shares in every bin; half an observation is added to each bin, so that it is always
        finite.
    """
    edges = np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1])
    share = []
    for sample in (reference, recent):
        count = np.bincount(np.searchsorted(edges, sample, side="right"), minlength=BINS) + 0.5
        share.append(count / count.sum())
    p, q = share
    return float(np.sum((q - p) * np.log(q / p)))
