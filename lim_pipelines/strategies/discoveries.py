r"""False discoveries: which of many relations tried are believed.

What does not belong here: the tests that give the p-values (`pair_selection.py`, a task's own file).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def found(p_values: Floats, tried: int, rate: float) -> npt.NDArray[np.bool_]:
    r"""Say which p-values are believed when many were tried, at most a share of them wrongly.

    The step-up procedure: with the p-values in order and :math:`m` tried, all up to the last :math:`i` with

    .. math:: p_{(i)} \le \frac{i\,q}{m \sum_{j=1}^{m} 1/j}

    are believed. It holds for tests that depend on each other in any way, as tests of pairs do that share an
    instrument.

    Parameters
    ----------
    p_values
        Of the relations that were looked at closely, shape (k,).
    tried
        m: all that were tried, those left out beforehand by a look at the same data too; at least k.
    rate
        q: expected share of wrong ones among those believed.

    Returns
    -------
    ndarray
        Shape (k,), boolean.

    Raises
    ------
    ValueError
        Fewer were tried than there are p-values.

    Notes
    -----
    Y. Benjamini and D. Yekutieli (2001), The control of the false discovery rate in multiple testing under
    dependency, Annals of Statistics 29, theorem 1.3.
    """
    count = len(p_values)
    if tried < count:
        raise ValueError(f"{count} p-values, but only {tried} tried: count all that were looked at")
    if not count:
        return np.zeros(0, dtype=bool)
    harmonic = float((1.0 / np.arange(1, tried + 1)).sum())
    order = np.argsort(p_values, kind="stable")
    below = p_values[order] <= np.arange(1, count + 1) * rate / (tried * harmonic)
    believed = int(np.flatnonzero(below)[-1]) + 1 if below.any() else 0
    mask = np.zeros(count, dtype=bool)
    mask[order[:believed]] = True
    return mask
