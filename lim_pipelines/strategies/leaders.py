r"""Leaders of laggers: screened by lagged cross-correlation, on the past only.

Returns relative to their session's mean (what the market does leads everything and nothing), :math:`x` of the
leader's session and :math:`y` of the lagger's sum over the L sessions behind it, give

.. math:: z = \frac{\sum_t x_t y_t}{\sqrt{\sum_t x_t^2 y_t^2}},

standard normal where neither knows of the other, with fat tails and clustered volatility too (White 1980,
Econometrica 48: the variance of the sum is taken as it is found, not as if all sessions were alike). Every
ordered pair is tried, so which are believed is controlled for that (`discoveries.py`).

What is subtracted is made of the instruments themselves. In a small universe a leader moves the mean that all
others are measured against, and so does its lagger: leaders and laggers of nobody seem to be some, with a
share of 1/(n - 1) of the planted covariance. (Leaving an instrument out of its own mean multiplies its
relative return by n/(n - 1), which z does not know.) Their covariance is not there before the mean is taken
off; a true one is. So at least half of it has to be.

The fill is at the close after the decision. A relation that is there in the first session only could be seen
and never traded (closes at different hours make such ones: Lo and MacKinlay 1990, Review of Financial Studies
3). So what is left of :math:`y` without that session must point the same way.

What does not belong here: samples and decisions (`lead_lag.py`), the models' own judgement of a leader.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.finetune.selection import Leader
from lim_pipelines.finetune.settings import LeaderSettings
from lim_pipelines.strategies.discoveries import found

Floats = npt.NDArray[np.float64]

FEWEST_SESSIONS = 120
"""Sessions that both must have had bars in: the normal distribution is a limit."""

LEFT = 0.5
"""Share of a covariance that must be there in returns that nothing was taken off, too: half way between what
the mean makes (0) and what is true (1)."""


class Screen(NamedTuple):
    """What every instrument's return says of what every other one does next; row leads column.

    Shape (n, n) each, NaN on the diagonal and where fewer than `FEWEST_SESSIONS` are known of both.

    Parameters
    ----------
    z
        Of the L sessions, see the module.
    covariance, correlation
        Of the L sessions, the covariance as a sum over sessions.
    tradable
        The covariance without the first of them, of which the sign counts.
    """

    z: Floats
    covariance: Floats
    correlation: Floats
    tradable: Floats


def leaders_of(settings: LeaderSettings, bars: pl.DataFrame) -> tuple[Leader, ...]:
    """Screen all ordered pairs of instruments.

    Parameters
    ----------
    settings
        Lags, leaders a lagger, and the share of wrong ones that is accepted.
    bars
        Daily bars as known at one moment, one revision a bar.

    Returns
    -------
    tuple of Leader
        By lagger, the surest leader first. If no pair is believed the surest few of all, marked so: a model
        can be fitted on them, and nothing is traded.
    """
    names, returns = log_returns(bars)
    relative = screened(less_mean(returns), settings.lags)
    lead, lag = np.nonzero(np.isfinite(relative.z))
    if not len(lead):
        return ()
    z, covariance = relative.z[lead, lag], relative.covariance[lead, lag]
    chance = np.array([math.erfc(abs(value) / math.sqrt(2)) for value in z])
    before = screened(returns, settings.lags).covariance[lead, lag]
    real = before * np.sign(covariance) >= LEFT * np.abs(covariance)
    tradable = np.sign(relative.tradable[lead, lag]) == np.sign(z)
    # Pairs that cannot be traded, or are the mean's, were tried, too.
    chance = np.where(tradable & real, chance, 1.0)
    believed = found(chance, len(chance), settings.false_discoveries)
    order = np.lexsort((lead, lag, -np.abs(z), chance))
    order = order[believed[order]] if believed.any() else order[: settings.most]
    chosen: list[Leader] = []
    for k in order.tolist():
        own = sum(one.lagger == names[lag[k]] for one in chosen)
        if own < settings.most:
            chosen.append(
                Leader(
                    lagger=names[lag[k]],
                    leader=names[lead[k]],
                    correlation=float(relative.correlation[lead[k], lag[k]]),
                    p_value=float(chance[k]),
                    believed=bool(believed[k]),
                )
            )
    return tuple(sorted(chosen, key=lambda one: (one.lagger, one.p_value, one.leader)))


def log_returns(bars: pl.DataFrame) -> tuple[list[str], Floats]:
    """Log returns of all instruments beside each other.

    Parameters
    ----------
    bars
        As for `leaders_of`.

    Returns
    -------
    names, returns
        Instrument ids, sorted, n of them; shape (T, n), NaN where there is no return.
    """
    wide = daily_returns(bars).pivot("instrument_id", index="date", values="log_return").sort("date")
    names = sorted(set(wide.columns) - {"date"})
    return names, wide.select(pl.col(names).cast(pl.Float64).fill_null(math.nan)).to_numpy()


def less_mean(returns: Floats) -> Floats:
    """Subtract each session's mean from returns (T, n); NaN stays."""
    known = np.isfinite(returns)
    mean = np.where(known, returns, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(returns - mean[:, None])


def screened(returns: Floats, lags: int) -> Screen:
    """Correlate every instrument's return with what every other one does next.

    Parameters
    ----------
    returns
        Shape (T, n), NaN where there is none.
    lags
        L, sessions that count as next, at least 2.
    """
    n = returns.shape[1]
    known = np.isfinite(returns)
    filled = np.where(known, returns, 0.0)
    filled = np.where(known, filled - filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1), 0.0)
    count = max(len(returns) - lags, 0)
    ahead = np.stack([filled[lag : lag + count] for lag in range(1, lags + 1)])
    there = np.logical_and.reduce([known[lag : lag + count] for lag in range(1, lags + 1)])
    x, after = filled[:count], np.where(there, ahead.sum(axis=0), 0.0)
    later = np.where(there, ahead[1:].sum(axis=0), 0.0)
    both = known[:count].astype(np.float64).T @ there.astype(np.float64)
    usable = (both >= FEWEST_SESSIONS) & ~np.eye(n, dtype=bool)
    cross = x.T @ after
    spread = np.sqrt((x**2).T @ (after**2))
    norm = np.sqrt(((x**2).T @ there.astype(np.float64)) * (known[:count].T.astype(np.float64) @ (after**2)))
    usable &= (spread > 0) & (norm > 0)
    nothing = np.full((n, n), np.nan)
    return Screen(
        z=np.divide(cross, spread, out=nothing.copy(), where=usable),
        covariance=np.where(usable, cross, np.nan),
        correlation=np.divide(cross, norm, out=nothing.copy(), where=usable),
        tradable=np.where(usable, x.T @ later, np.nan),
    )
