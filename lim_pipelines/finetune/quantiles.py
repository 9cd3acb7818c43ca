r"""Alpha as a distribution: what the Q outputs of a forecaster say of a return.

Column 0 is the location :math:`m` (the median), the others are log widths :math:`a_j` between neighbouring
levels, relative to a normal's, all in units of `Samples.scale`. With :math:`z(p)` the normal's quantile,

.. math:: q(p_{k+1}) - q(p_k) = e^{a_j}\,(z(p_{k+1}) - z(p_k)), \qquad q(0.5) = m

so quantiles never cross, and outputs of zero are a normal of the expected size around zero: an unfitted head
says that nothing is known. A point forecaster says column 0 alone.

What does not belong here: the loss (`losses.py`), demeaning and units of a forecast (`base.py`). No torch.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
"""Probabilities of the quantiles, symmetric around the median."""

_MEDIAN = LEVELS.index(0.5)


def _steps() -> Floats:
    normal = [NormalDist().inv_cdf(level) for level in LEVELS]
    out = np.zeros((len(LEVELS) - 1, len(LEVELS)))
    for j in range(len(LEVELS) - 1):
        # The gap between the levels j and j + 1 moves everything on its own side of the median.
        moved = slice(j + 1, None) if j >= _MEDIAN else slice(0, j + 1)
        out[j, moved] = (normal[j + 1] - normal[j]) * (1.0 if j >= _MEDIAN else -1.0)
    return out


STEPS = _steps()
"""Quantiles are m + exp(a) @ STEPS; shape (len(LEVELS) - 1, len(LEVELS))."""


def quantiles(outputs: Floats) -> Floats:
    """Quantiles that outputs stand for.

    Parameters
    ----------
    outputs
        Shape (N, len(LEVELS)), or (N, 1) of a point forecaster, which gets a normal's widths.

    Returns
    -------
    ndarray
        Shape (N, len(LEVELS)), in units of `Samples.scale`, increasing along a row.
    """
    widths = np.zeros((len(outputs), len(LEVELS) - 1)) if outputs.shape[1] == 1 else outputs[:, 1:]
    return np.asarray(outputs[:, :1] + np.exp(widths) @ STEPS)


def mean(outputs: Floats) -> Floats:
    """Mean of the distribution that outputs stand for, shape (N,): what a portfolio earns on average.

    Between two levels the quantile is taken as linear, beyond the outermost as constant.
    """
    if outputs.shape[1] == 1:
        return np.asarray(outputs[:, 0])
    edges = np.array([0.0, *((a + b) / 2 for a, b in pairwise(LEVELS)), 1.0])
    return np.asarray(outputs[:, 0] + np.exp(outputs[:, 1:]) @ (STEPS @ np.diff(edges)))
