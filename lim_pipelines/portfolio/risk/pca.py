"""Statistical factors: the few directions in which returns vary most, and each instrument's rest.

What does not belong here: factors that have a name (`fundamental.py`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.portfolio.risk.base import Floats, RiskModel, centred


def pca(returns: Floats, factors: int) -> RiskModel:
    r"""Keep the largest principal components of the sample covariance, and the diagonal of the rest.

    .. math:: \Sigma = V_k \Lambda_k V_k^\top + \operatorname{diag}(S - V_k \Lambda_k V_k^\top)

    Parameters
    ----------
    returns
        Past returns of one period, shape (T, n), NaN where there is none.
    factors
        k, at least 1; no more than min(T, n) are kept.

    Returns
    -------
    RiskModel
        Per period. Its diagonal is that of the sample covariance.

    Notes
    -----
    The asymptotic principal components of G. Connor and R. Korajczyk (1986), Performance measurement with the
    arbitrage pricing theory, Journal of Financial Economics 15, with all specific variances taken as the rest
    of the diagonal.
    """
    x = centred(returns)
    _, values, vectors = np.linalg.svd(x, full_matrices=False)
    kept = min(factors, values.size)
    root = np.diag(values[:kept] / x.shape[0] ** 0.5)
    loadings = vectors[:kept].T
    explained = ((loadings @ root) ** 2).sum(axis=1)
    return RiskModel(loadings, root, np.maximum((x**2).mean(axis=0) - explained, 0.0))
