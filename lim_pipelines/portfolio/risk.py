"""Risk models: the covariance of returns, from past returns only.

What does not belong here: the optimisation (`markowitz.py`), forecasts of the mean.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def shrunk_covariance(returns: Floats) -> Floats:
    r"""Covariance shrunk towards a multiple of the identity.

    With sample covariance :math:`S`, :math:`\mu = \operatorname{tr}(S)/n` and :math:`T` rows :math:`x_t`,

    .. math:: \Sigma = (1-\delta) S + \delta \mu I, \qquad
        \delta = \min\Bigl(1,
        \frac{T^{-2}\sum_t \lVert x_t x_t^\top - S\rVert_F^2}{\lVert S - \mu I\rVert_F^2}\Bigr).

    Parameters
    ----------
    returns
        Past returns of one period, shape (T, n), T at least 2. Missing values (NaN) count as the
        instrument's mean.

    Returns
    -------
    ndarray
        Shape (n, n), per period; symmetric, positive definite unless all returns are constant.

    Notes
    -----
    O. Ledoit and M. Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices,
    Journal of Multivariate Analysis 88, lemmas 3.2-3.5.
    """
    if returns.ndim != 2 or returns.shape[0] < 2:
        raise ValueError(f"returns must be of shape (T >= 2, n), have {returns.shape}; widen `risk_sessions`")
    counts = np.maximum(np.isfinite(returns).sum(axis=0), 1)
    mean = np.where(np.isfinite(returns), returns, 0.0).sum(axis=0) / counts
    x = np.where(np.isfinite(returns), returns - mean, 0.0)
    periods, n = x.shape
    sample = x.T @ x / periods
    target = np.trace(sample) / n * np.eye(n)
    distance = float(((sample - target) ** 2).sum())
    if distance == 0.0:
        return np.asarray(sample)
    # sum_t |x_t x_t' - S|^2 = sum_t |x_t|^4 - T |S|^2, without forming T matrices.
    noise = float(((x**2).sum(axis=1) ** 2).sum() - periods * (sample**2).sum()) / periods**2
    delta = min(1.0, noise / distance)
    return np.asarray((1 - delta) * sample + delta * target)


def root(covariance: Floats) -> Floats:
    """Return R of shape (n, n) with R'R the covariance, which only has to be positive semidefinite."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))).T)
