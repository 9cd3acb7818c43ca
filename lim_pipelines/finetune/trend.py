r"""Where an instrument has gone lately: every head reads it beside the embedding, on a linear path.

Of the half-lives :math:`h`, with :math:`r_{t-i}` the log returns up to the decision and :math:`\sigma` the
sample's volatility,

.. math:: x_h = \sum_i w_i r_{t-i} \,/\, (\sigma \sqrt{\textstyle\sum_i w_i^2}), \qquad w_i = 2^{-i/h},

which is the t-statistic of a mean: of unit variance where nothing is there. A frozen embedding holds the same
(a linear read gets most of its variance), but among its smallest directions, where a short fit finds it by
chance only.

What does not belong here: what a head makes of it (`heads.py`), what the path begins with
(`methods/new_head.py`). No torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.series import VARIABLES, Series

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

HALF_LIVES = (4.0, 11.0, 28.0)
"""Bars after which a return's weight has halved; those that the backbone's patches are told of."""

BARS = 128
"""Bars that are seen: what lies before weighs less than a twentieth of the newest. A fixed number, fewer than
a decision looks at (`strategies/base.py`), so that history of any length gives the same."""

_CLOSE = VARIABLES.index("close")
_WEIGHTS = 0.5 ** (np.arange(BARS)[::-1] / np.array(HALF_LIVES)[:, None])
_WEIGHTS /= np.sqrt((_WEIGHTS**2).sum(axis=1, keepdims=True))


def trends(series: Sequence[Series], picks: Indices, volatility: Floats) -> Floats:
    """Read the trends of N windows; see the module.

    Parameters
    ----------
    series
        Where windows are taken from.
    picks
        Shape (N, 2): position of a window's series, row of its last bar.
    volatility
        Standard deviation of a session's log return, shape (N,).

    Returns
    -------
    ndarray
        Shape (N, len(HALF_LIVES)). What is missing, or before the history began, is a return of 0.
    """
    out = np.zeros((len(picks), len(HALF_LIVES)))
    for at, one in enumerate(series):
        own = np.flatnonzero(picks[:, 0] == at)
        returns = np.nan_to_num(one.values[:, _CLOSE].astype(np.float64))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(returns, (BARS - 1, 0)), BARS)
        windows = windows[picks[own, 1]]
        # Not a matrix product: its last bits hang on how many windows are read together.
        for k, weights in enumerate(_WEIGHTS):
            out[own, k] = (windows * weights).sum(axis=1)
    return out / volatility[:, None]
