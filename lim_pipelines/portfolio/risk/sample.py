"""The sample covariance as it is: for few instruments and much history, and to measure the others against.

What does not belong here: anything that makes it better (`ledoit_wolf.py`, `pca.py`, `fundamental.py`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.portfolio.risk.base import Floats, RiskModel, centred, in_factors


def sample(returns: Floats) -> RiskModel:
    """Covariance of past returns; with fewer sessions than instruments there are books without risk in it.

    Parameters
    ----------
    returns
        Past returns of one period, shape (T, n), NaN where there is none.

    Returns
    -------
    RiskModel
        Per period; min(T, n) factors, nothing specific.
    """
    x = centred(returns)
    return in_factors(x, 1.0, np.zeros(x.shape[1]))
