r"""Cointegration of two price series: Engle and Granger's two steps, many pairs at once.

The hedge :math:`\beta` is the slope of one log price on the other; the spread
:math:`u_t = x_t - \beta y_t - \alpha` is tested for a unit root by

.. math:: \Delta u_t = \gamma u_{t-1} + \delta \Delta u_{t-1} + e_t

whose t-statistic of :math:`\gamma` is compared with its distribution for two independent random walks.

What does not belong here: which pairs are tried, and how many (`pair_selection.py`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SMALL, _LARGE = (2.92, 1.5012, 0.039796), (2.1945, 0.64695, -0.29198, -0.042377)
_STAR, _LOWEST, _HIGHEST = -2.62, -18.86, 0.92


class Cointegration(NamedTuple):
    """What the two steps say of K pairs.

    Parameters
    ----------
    hedge
        beta, shape (K,): units of y that hedge a unit of x.
    statistic
        t-statistic of gamma, shape (K,); the lower, the surer the spread comes back.
    half_life
        Sessions after which half of a deviation is gone, shape (K,); infinite where it does not come back.
    """

    hedge: Floats
    statistic: Floats
    half_life: Floats


def engle_granger(x: Floats, y: Floats) -> Cointegration:
    """Regress x on y and test the residual.

    Parameters
    ----------
    x, y
        Log prices, shape (T, K), T at least 10, without missing values; column by column one pair.

    Notes
    -----
    R. Engle and C. Granger (1987), Co-integration and error correction, Econometrica 55.
    """
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    hedge = _ratio((x * y).sum(axis=0), (y * y).sum(axis=0))
    spread = x - hedge * y
    change = np.diff(spread, axis=0)
    level, before, now = spread[1:-1], change[:-1], change[1:]
    # Two regressors: the normal equations are solved by hand, for all pairs at once.
    ll, bb, lb = ((level * level).sum(axis=0), (before * before).sum(axis=0), (level * before).sum(axis=0))
    ln, bn = (level * now).sum(axis=0), (before * now).sum(axis=0)
    determinant = ll * bb - lb * lb
    gamma = _ratio(bb * ln - lb * bn, determinant)
    delta = _ratio(ll * bn - lb * ln, determinant)
    residual = now - gamma * level - delta * before
    variance = (residual**2).sum(axis=0) / (len(now) - 2)
    statistic = _ratio(gamma, np.sqrt(_ratio(variance * bb, determinant)))
    carried = 1.0 + _ratio(ln, ll)
    with np.errstate(divide="ignore"):
        half_life = np.where(
            (carried > 0) & (carried < 1), -math.log(2) / np.log(np.clip(carried, 1e-9, 1.0)), math.inf
        )
    return Cointegration(hedge, statistic, half_life)


def p_values(statistic: Floats) -> Floats:
    """Chance of a statistic as low as this where two random walks know nothing of each other.

    Parameters
    ----------
    statistic
        From `engle_granger`, shape (K,).

    Notes
    -----
    The response surface of J. MacKinnon (1994), Approximate asymptotic distribution functions for unit-root
    and cointegration tests, Journal of Business and Economic Statistics 12: two series and a constant.
    """
    at = np.clip(statistic, _LOWEST, _HIGHEST)
    powers = at[:, None] ** np.arange(4)
    score = np.where(at <= _STAR, powers[:, :3] @ np.array(_SMALL), powers @ np.array(_LARGE))
    chance = np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in score])
    return np.where(statistic > _HIGHEST, 1.0, chance)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotient, 0 where the divisor is not positive: a price that never moves hedges nothing."""
    safe = np.where(below > 0, below, 1.0)
    return np.asarray(np.where(below > 0, above / safe, 0.0))
