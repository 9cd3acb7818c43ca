r"""The model confidence set: which of many trials may be the best, as far as the days can tell.

Starting with all trials, the worst goes out as long as the hypothesis that those left are equally good is
refused; what stays has all of the best with the confidence asked for. With :math:`\bar d_{i\cdot}`, by how
much trial i's mean lies below the mean of those left, and the error :math:`s_i` of that (standard deviation
over :math:`\sqrt T`),

.. math:: T_{\max} = \max_i \frac{\bar d_{i\cdot}}{s_i}

is compared with its distribution over bootstrap samples, and the trial that reaches it is the worst. The
paper takes the bootstrap's own error for :math:`s_i`, too noisy on short records (see `superiority.py`).

What does not belong here: what is compared (`luck.py`), how days are resampled (`bootstrap.py`). `arch` is
the oracle in the tests; it takes a Python loop over samples.

P. Hansen, A. Lunde and J. Nason (2011), The model confidence set, Econometrica 79(2), section 3.1.2.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def confidence_set(returns: Floats, times: Floats, size: float = 0.05) -> npt.NDArray[np.bool_]:
    """Say which trials may be the best.

    Parameters
    ----------
    returns
        Daily returns of K trials on the same T days, shape (T, K); no two the same.
    times
        How often each bootstrap sample has each day, shape (R, T), from `bootstrap.times_drawn`.
    size
        Probability with which a best trial may be missing.

    Returns
    -------
    numpy.ndarray
        Whether each trial is in the set, shape (K,).
    """
    mean = returns.mean(axis=0)
    drawn = times @ returns / len(returns) - mean
    inside = np.arange(returns.shape[1])
    while len(inside) > 1:
        behind = returns[:, inside].mean(axis=1, keepdims=True) - returns[:, inside]
        draws = drawn[:, inside].mean(axis=1, keepdims=True) - drawn[:, inside]
        error = behind.std(axis=0) / math.sqrt(len(returns))
        statistic = behind.mean(axis=0) / error
        if ((draws / error).max(axis=1) > statistic.max()).mean() > size:
            break
        inside = np.delete(inside, statistic.argmax())
    out = np.zeros(returns.shape[1], dtype=bool)
    out[inside] = True
    return out
