r"""The deflated Sharpe ratio: how likely a record is skill, knowing how many were tried.

.. math::
    \mathrm{PSR}(s^*) = \Phi\!\left(\frac{(\hat s - s^*)\sqrt{T-1}}
        {\sqrt{1 - \gamma_3 \hat s + \frac{\gamma_4 - 1}{4}\hat s^2}}\right), \qquad
    s_0 = \sqrt{V}\left((1-\gamma)\Phi^{-1}\!\left(1-\tfrac1N\right)
        + \gamma\,\Phi^{-1}\!\left(1-\tfrac1{Ne}\right)\right)

with the Sharpe ratio :math:`\hat s` of T returns (not annualised), their skewness and kurtosis (3 for a
normal), the variance V of the Sharpe ratios of N trials, and Euler's :math:`\gamma`. DSR is PSR at
the :math:`s_0` that the best of N trials without skill is expected to reach.

What does not belong here: which trials there were (`ledger.py`), how long a record has to be
(`track_record.py`).

D. Bailey and M. Lopez de Prado (2012), The Sharpe ratio efficient frontier, Journal of Risk 15(2).
D. Bailey and M. Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management 40(5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()


def sharpe_variance(sharpe: float, skew: float, kurtosis: float) -> float:
    """Variance of an estimated Sharpe ratio times the number of returns less one (2012 paper, equation 4).

    Parameters
    ----------
    sharpe
        Per return, not annualised.
    skew, kurtosis
        Of the returns; a normal has 0 and 3.
    """
    # Not positive only for moments that no sample of returns has.
    return max(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 1e-12)


def probabilistic_sharpe(
    sharpe: float, days: int, skew: float, kurtosis: float, benchmark: float = 0.0
) -> float:
    """Probability that the true Sharpe ratio exceeds a benchmark.

    Parameters
    ----------
    sharpe, benchmark
        Per day, not annualised.
    days
        Number of returns, at least 2.
    skew, kurtosis
        Of the returns; a normal has 0 and 3.

    Raises
    ------
    ValueError
        Fewer than two returns.
    """
    if days < 2:
        raise ValueError(f"a Sharpe ratio of {days} returns says nothing; at least 2 are needed")
    variance = sharpe_variance(sharpe, skew, kurtosis)
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(days - 1) / math.sqrt(variance))


def expected_best(trials: int, variance: float) -> float:
    """Highest Sharpe ratio that trials without skill are expected to reach; 0 for a single one.

    Parameters
    ----------
    trials
        N, at least 1.
    variance
        V, variance of the trials' Sharpe ratios (per day).
    """
    if trials < 1:
        raise ValueError(f"{trials} trials: the record itself is one")
    if trials == 1:
        return 0.0
    quantiles = (_NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e)))
    return math.sqrt(variance) * ((1 - EULER_GAMMA) * quantiles[0] + EULER_GAMMA * quantiles[1])


@dataclass(frozen=True)
class Moments:
    """What the statistics of one Sharpe ratio read of a record.

    Parameters
    ----------
    sharpe
        Per day, not annualised.
    skew, kurtosis
        Of the returns; a normal has 0 and 3.
    days
        Number of returns.
    """

    sharpe: float
    skew: float
    kurtosis: float
    days: int


def moments(returns: Floats) -> Moments:
    """Moments of daily returns, shape (T,).

    Raises
    ------
    ValueError
        The returns do not vary, or there are fewer than two.
    """
    if len(returns) < 2 or np.ptp(returns) == 0:
        raise ValueError("a Sharpe ratio needs at least two returns that differ")
    centred = (returns - returns.mean()) / returns.std()
    return Moments(
        float(returns.mean() / returns.std(ddof=1)),
        float((centred**3).mean()),
        float((centred**4).mean()),
        len(returns),
    )


def luckiest(trial_sharpes: Floats) -> float:
    """Sharpe ratio per day that the best of as many trials without skill is expected to reach.

    Parameters
    ----------
    trial_sharpes
        Sharpe ratios per day of all trials, shape (N,), N at least 1: every arm, controls included, and every
        seed of every specification ever tried in the same world.
    """
    variance = float(np.var(trial_sharpes, ddof=1)) if len(trial_sharpes) > 1 else 0.0
    return expected_best(len(trial_sharpes), variance)


def deflated_sharpe(returns: Floats, trial_sharpes: Floats) -> float:
    """Probability that a record is better than the best of as many trials without skill.

    Parameters
    ----------
    returns
        Daily returns of the record, shape (T,), T at least 2 and not all equal.
    trial_sharpes
        As for `luckiest`. The record splits its capital over the seeds of its arm: those seeds are among the
        trials, the record itself is not.

    Raises
    ------
    ValueError
        The returns do not vary, or there are too few.
    """
    of = moments(returns)
    return probabilistic_sharpe(of.sharpe, of.days, of.skew, of.kurtosis, luckiest(trial_sharpes))
