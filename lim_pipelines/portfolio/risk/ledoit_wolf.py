"""The sample covariance, shrunk towards equal variances without correlation.

What does not belong here: how much is shrunk (scikit-learn's `ledoit_wolf_shrinkage`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.portfolio.risk.base import Floats, RiskModel, centred, in_factors


def ledoit_wolf(returns: Floats) -> RiskModel:
    r"""Shrink by the intensity that is best for independent returns.

    With sample covariance :math:`S` and :math:`\mu = \operatorname{tr}(S)/n`,
    :math:`\Sigma = (1-\delta) S + \delta \mu I`.

    Parameters
    ----------
    returns
        Past returns of one period, shape (T, n), NaN where there is none.

    Returns
    -------
    RiskModel
        Per period; min(T, n) factors. Positive definite unless all returns are constant.

    Notes
    -----
    O. Ledoit and M. Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices,
    Journal of Multivariate Analysis 88, lemmas 3.2-3.5.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    x = centred(returns)
    n = x.shape[1]
    # The intensity has no unit; of returns below 1e-8 in square scikit-learn would take 0 / 0.
    size = float(np.sqrt((x**2).mean()))
    if size == 0.0:
        return in_factors(x, 1.0, np.zeros(n))
    delta = float(ledoit_wolf_shrinkage(x / size, assume_centered=True))
    return in_factors(x, 1.0 - delta, np.full(n, delta * size**2))
