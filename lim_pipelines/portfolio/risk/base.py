r"""What every risk model gives: a covariance in factor form, :math:`\Sigma = B R^\top R B^\top + D`.

What does not belong here: any model (a file each, listed in `registry.py`), what is done with the risk
(`portfolio/optimiser.py`, `portfolio/risk_parity.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_SESSIONS = 2
"""Fewer returns have no variance."""


@dataclass(frozen=True)
class RiskModel:
    """Covariance of the log returns of n instruments over one period, by k factors.

    Parameters
    ----------
    loadings
        B: what a factor's return of 1 does to each instrument, shape (n, k).
    factor_root
        R: R'R is the covariance of the factors, shape (k, k).
    specific
        D: variance of what no factor explains, shape (n,), at least 0. Zero everywhere in a model that has as
        many factors as it needs.
    """

    loadings: Floats
    factor_root: Floats
    specific: Floats

    @property
    def half(self) -> Floats:
        """R B', shape (k, n): the variance of weights w by factors is the square of its length times w."""
        return np.asarray(self.factor_root @ self.loadings.T)

    def variance(self, weights: Floats) -> float:
        """Variance of a book of weights, shape (n,), over the model's period."""
        return float(((self.half @ weights) ** 2).sum() + (self.specific * weights**2).sum())

    def covariance(self) -> Floats:
        """Covariance matrix, shape (n, n)."""
        half = self.half
        return np.asarray(half.T @ half + np.diag(self.specific))

    def over(self, sessions: int) -> RiskModel:
        """Return the model of the sum of so many independent periods."""
        return replace(self, factor_root=self.factor_root * sessions**0.5, specific=self.specific * sessions)


def centred(returns: Floats) -> Floats:
    """Subtract each instrument's mean; a missing return says nothing, and takes nothing off the variance.

    Parameters
    ----------
    returns
        Past returns of one period, shape (T, n), NaN where there is none.

    Returns
    -------
    ndarray
        x of shape (T, n) without NaN: x'x / T is positive semidefinite, its diagonal the variance of those
        returns that each instrument has. What is missing makes covariances smaller: of instruments with few
        returns in common less is known to move together.

    Raises
    ------
    ValueError
        There are fewer than `LEAST_SESSIONS` rows.
    """
    if returns.ndim != 2 or returns.shape[0] < LEAST_SESSIONS:
        raise ValueError(
            f"returns must be of shape (T >= {LEAST_SESSIONS}, n), have {returns.shape}; widen"
            " `portfolio.risk_sessions`, or begin the strategy when its instruments have more history"
        )
    known = np.isfinite(returns)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, returns, 0.0).sum(axis=0) / counts
    return np.asarray(np.where(known, returns - mean, 0.0) * np.sqrt(returns.shape[0] / counts))


def in_factors(x: Floats, weight: float, specific: Floats) -> RiskModel:
    """`weight` times x'x / T, and `specific` beside it: by sessions or by instruments, whichever are fewer.

    Parameters
    ----------
    x
        Centred returns, shape (T, n).
    weight
        Share of the sample covariance, 0 to 1.
    specific
        Variances beside it, shape (n,).
    """
    periods, n = x.shape
    scale = (weight / periods) ** 0.5
    if periods < n:
        return RiskModel(x.T, scale * np.eye(periods), specific)
    return RiskModel(np.eye(n), scale * np.linalg.qr(x, mode="r"), specific)
