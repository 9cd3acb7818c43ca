"""How much of one record may be luck: all statistics of it, knowing what else was tried.

Where trials are compared by their daily returns, each is brought to the same volatility over these days:
leverage is no skill, and what differs in it alone is one. Blocks of days are as long as the cube root of
their number, the order at which a block bootstrap knows a mean's error best.

Tests of many are corrected for every trial in the ledger, each seed one. The confidence set is no correction
but a comparison of what can be chosen: a method, not one of its seeds. So it is of like with like, funds over
all seeds of an arm. A fund beside its own seeds would be out for one lucky among them, which is itself.

What does not belong here: the statistics themselves (a file each), what is said of them (`verdict.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.bootstrap import resampled_rows, times_drawn
from lim_pipelines.evaluate.confidence_set import confidence_set
from lim_pipelines.evaluate.deflated_sharpe import luckiest, moments, probabilistic_sharpe
from lim_pipelines.evaluate.intervals import RESAMPLES, SEED
from lim_pipelines.evaluate.ledger import Ledger, distinct
from lim_pipelines.evaluate.overfitting import Overfitting, blocks_of, overfitting
from lim_pipelines.evaluate.superiority import superiority
from lim_pipelines.evaluate.track_record import minimum_track_record

Floats = npt.NDArray[np.float64]

FEWEST_DAYS = 20
"""Sessions below which nothing is resampled."""


@dataclass(frozen=True)
class Luck:
    """What the statistics say of one record; NaN or None where they are undefined.

    Parameters
    ----------
    trials, compared
        Trials in the ledger of the same world; of them those whose daily returns the record is compared with.
    probabilistic
        Probability that the true Sharpe ratio is above 0, were there no other trial.
    deflated
        Probability that the record is better than the best of as many trials without skill.
    sessions_needed, sessions_needed_deflated
        Minimum track record length, in sessions, at the record's Sharpe ratio: against 0, and against the
        best of as many trials without skill. Infinite where no length is enough.
    p_anything
        Hansen's SPA, consistent: p-value of nothing that is compared, the record included, earning money.
    p_money, p_control
        Step-down p-values of the record: of its not earning money, corrected for all trials compared; of its
        not being better than the best control, corrected for the strategy's own trials.
    may_be_best
        Whether the record is in the model confidence set (95 %) of itself and the funds (`ledger.Panel`) of
        all that was tried on its days.
    overfitting
        Choosing the best of the trials compared, by halves of the record's sessions.
    """

    trials: int
    compared: int
    probabilistic: float = math.nan
    deflated: float = math.nan
    sessions_needed: float = math.nan
    sessions_needed_deflated: float = math.nan
    p_anything: float = math.nan
    p_money: float = math.nan
    p_control: float = math.nan
    may_be_best: bool | None = None
    overfitting: Overfitting | None = None


def luck(record: pl.DataFrame, strategy: str, control: pl.DataFrame | None, ledger: Ledger) -> Luck:
    """Judge a record.

    Parameters
    ----------
    record
        Columns date and net_return of the record, sorted by date, T rows.
    strategy
        Name of its strategy.
    control
        The same of its best control, on the same dates; None without one.
    ledger
        Trials of the same world, the record's own among them.
    """
    net, sharpes = record["net_return"].to_numpy(), ledger.trials["sharpe_per_day"].to_numpy()
    panel = ledger.beside(record["date"])
    out = Luck(trials=len(sharpes), compared=panel.books.height)
    if len(net) < 2 or np.ptp(net) == 0:
        return out
    of, best = moments(net), luckiest(sharpes)
    out = replace(
        out,
        probabilistic=probabilistic_sharpe(of.sharpe, of.days, of.skew, of.kurtosis),
        deflated=probabilistic_sharpe(of.sharpe, of.days, of.skew, of.kurtosis, best),
        sessions_needed=minimum_track_record(of.sharpe, of.skew, of.kurtosis),
        sessions_needed_deflated=minimum_track_record(of.sharpe, of.skew, of.kurtosis, best),
    )
    if len(net) < FEWEST_DAYS:
        return out
    rows = resampled_rows(len(net), RESAMPLES, len(net) ** (1 / 3), np.random.default_rng(SEED))
    times = times_drawn(rows)
    everything = _alike(net, panel.returns)
    money = superiority(everything, times)
    own = panel.returns[:, (panel.books["strategy"] == strategy).to_numpy()]
    blocks = blocks_of(len(net))
    return replace(
        out,
        p_anything=money.consistent,
        p_money=float(money.each[0]),
        p_control=_against(control, net, own, times),
        may_be_best=bool(confidence_set(_alike(net, panel.funds), times)[0]),
        overfitting=overfitting(panel.returns, blocks) if blocks and panel.books.height > 1 else None,
    )


def _alike(*parts: Floats) -> Floats:
    """Lay records side by side at the same volatility, each once; shape (T, K)."""
    together = np.column_stack(parts)
    together = together[:, distinct(together)]
    return np.asarray(together / together.std(axis=0, ddof=1))


def _against(control: pl.DataFrame | None, net: Floats, own: Floats, times: Floats) -> float:
    """Test whether a record is better than a control, among all trials of its strategy."""
    if control is None:
        return math.nan
    bar = control["net_return"].to_numpy()
    if np.ptp(bar) == 0 or len(distinct(np.column_stack([bar, net]))) < 2:
        return math.nan
    both = _alike(bar, net, own)
    return float(superiority(both[:, 1:] - both[:, :1], times).each[0])
