r"""Risk parity: every instrument adds the same to the book's risk.

The weights are the solution, scaled, of

.. math:: \min_x\; \tfrac12 x^\top \Sigma x - \tfrac1n \sum_i \log |x_i|,

whose first-order condition is :math:`x_i (\Sigma x)_i = 1/n`. It has one solution for each choice of sides.

What does not belong here: limits and costs; the optimiser takes these weights as its centre.
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.portfolio.question import Floats, OptimiserError
from lim_pipelines.portfolio.risk.base import RiskModel

_STEPS = 200
_EXACT = 1e-12
"""Square of the Newton decrement at which it ends, about the distance to the smallest value."""


def risk_parity(risk: RiskModel, sides: Floats) -> Floats:
    """Find the weights by Newton's method with a line search: the problem is strictly convex.

    Parameters
    ----------
    risk
        Risk model of n instruments; each must have some risk.
    sides
        1 for long, -1 for short, shape (n,).

    Returns
    -------
    ndarray
        Weights of gross 1, shape (n,).

    Raises
    ------
    OptimiserError
        An instrument has no risk, so no weight of it adds as much as the others.

    Notes
    -----
    F. Spinu (2013), An algorithm for computing risk parity weights, equations 3 and 11; S. Maillard, T.
    Roncalli and J. Teiletche (2010), The properties of equally weighted risk contributions portfolios. A step
    costs O(n k^2): the covariance is never made.
    """
    half = risk.half * sides
    variance = (half**2).sum(axis=0) + risk.specific
    n = variance.size
    if variance.min() <= 0.0:
        raise OptimiserError(
            f"risk parity: {int((variance <= 0).sum())} of {n} instruments have no risk; leave them out of"
            " the universe, or take another `portfolio.objective`"
        )
    # In units of volatility every instrument is alike; the start is the best of those that weigh alike.
    deviation = np.sqrt(variance)
    half, own = half / deviation, risk.specific / variance
    x = np.full(n, 1.0 / (half.sum(axis=1) @ half.sum(axis=1) + own.sum()) ** 0.5)
    for _ in range(_STEPS):
        gradient = half.T @ (half @ x) + own * x - 1.0 / (n * x)
        step = -_solved(half, own + 1.0 / (n * x**2), gradient)
        promised = -float(gradient @ step)
        if promised * n <= _EXACT:
            break
        length = min(1.0, 0.95 / max(float((-step / x).max()), 0.95))
        before = _value(half, own, x)
        while _value(half, own, x + length * step) > before - 0.1 * length * promised:
            length *= 0.5
        x = x + length * step
    else:
        raise OptimiserError(
            f"risk parity: {n} instruments, not solved in {_STEPS} steps (volatilities"
            f" {deviation.min():.3g}..{deviation.max():.3g}); check the scale of the returns"
        )
    weights = sides * x / deviation
    return np.asarray(weights / np.abs(weights).sum())


def _value(half: Floats, own: Floats, x: Floats) -> float:
    return float((((half @ x) ** 2).sum() + own @ x**2) / 2 - np.log(x).mean())


def _solved(half: Floats, diagonal: Floats, right: Floats) -> Floats:
    """Solve (half' half + diag(diagonal)) z = right by the smaller of the two systems (Woodbury)."""
    k, n = half.shape
    if k >= n:
        return np.asarray(np.linalg.solve(half.T @ half + np.diag(diagonal), right))
    scaled = half / diagonal
    inner = np.eye(k) + scaled @ half.T
    return np.asarray(right / diagonal - scaled.T @ np.linalg.solve(inner, scaled @ right))
