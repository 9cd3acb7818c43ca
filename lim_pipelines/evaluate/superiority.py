r"""Is any of many trials better than a benchmark, and which: Hansen's SPA, and its step-down form.

With trial k's daily advantage over the benchmark, its mean :math:`\bar d_k` and the error
:math:`s_k` of that (standard deviation over :math:`\sqrt T`), the statistic is :math:`\max_k \bar d_k / s_k`,
and its distribution where none is better is that of

.. math:: \max_k \frac{\bar d^*_k - g(\bar d_k)}{s^*_k}, \qquad
    g_l(d) = \max(d, 0),\quad
    g_c(d) = d\,1\{d \ge -\hat\omega_k\sqrt{2\log\log T}\},\quad g_u(d) = d

over bootstrap samples: three p-values, of which the consistent one (c) counts, because trials that are surely
bad (those below :math:`g_c`'s bound, by the bootstrap's own error :math:`\hat\omega_k`) do not weaken the
test. The step-down p-value of one trial is that of the test among it and all trials that look no better, but
never below that of a better one: those at most p are better with a familywise error rate of p.

Hansen divides by :math:`\hat\omega_k` in both places. On records as short as ours it is so noisy that the
luckiest of many trials is the one whose error was taken too small: of 30 trials without skill over 62 days
the test finds something at 5 % in a fifth to a third of all worlds. With the error of each sample itself, as
Romano and Wolf have it, it does in about one of twenty (docs/honest-statistics.md). That days depend on each
other is in the blocks.

`arch.bootstrap` (8.0) does not divide at all, and takes a Python loop over samples; it is the oracle in the
tests.

What does not belong here: what is compared with what (`luck.py`), how days are resampled (`bootstrap.py`).

P. Hansen (2005), A test for superior predictive ability, Journal of Business & Economic Statistics 23(4),
section 2.2. J. Romano and M. Wolf (2005), Stepwise multiple testing as formalized data snooping, Econometrica
73(4), section 4. P. Hsu, Y. Hsu and C. Kuan (2010), Testing the predictive ability of technical analysis
using a new stepwise test without data snooping bias, Journal of Empirical Finance 17(3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Superiority:
    """Whether trials are better than a benchmark.

    Parameters
    ----------
    lower, consistent, upper
        p-values of the hypothesis that none is better. `upper` is White's reality check, studentised.
    each
        Step-down p-value of each trial, shape (K,).
    """

    lower: float
    consistent: float
    upper: float
    each: Floats


def superiority(advantages: Floats, times: Floats) -> Superiority:
    """Test trials against a benchmark.

    Parameters
    ----------
    advantages
        What each trial earned more than the benchmark on each day, shape (T, K), T at least 3.
    times
        How often each bootstrap sample has each day, shape (R, T), from `bootstrap.times_drawn`.

    Raises
    ------
    ValueError
        A trial's advantage does not vary: it is the benchmark itself, or never traded.
    """
    if (np.ptp(advantages, axis=0) == 0).any():
        raise ValueError("an advantage that does not vary cannot be tested; leave that trial out")
    days = len(advantages)
    mean = advantages.mean(axis=0)
    found = mean / advantages.std(axis=0) * math.sqrt(days)
    sampled = times @ advantages / days
    error = np.sqrt(np.maximum(times @ advantages**2 / days - sampled**2, 1e-300) / days)
    bound = -math.sqrt(2.0 * math.log(math.log(days))) * np.sqrt(((sampled - mean) ** 2).mean(axis=0))
    middles = (np.maximum(mean, 0.0), np.where(mean >= bound, mean, 0.0), mean)
    lower, consistent, upper = ((sampled - middle) / error for middle in middles)
    p_lower, p_consistent, p_upper = (
        float((draws.max(axis=1) > found.max()).mean()) for draws in (lower, consistent, upper)
    )
    return Superiority(p_lower, p_consistent, p_upper, _step_down(found, consistent))


def _step_down(found: Floats, draws: Floats) -> Floats:
    """p-value of each trial: the maximum runs over it and all behind it."""
    order = np.argsort(-found, kind="stable")
    behind = np.maximum.accumulate(draws[:, order[::-1]], axis=1)[:, ::-1]
    values = np.maximum.accumulate((behind > found[order]).mean(axis=0))
    out = np.empty_like(values)
    out[order] = values
    return out
