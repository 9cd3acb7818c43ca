r"""From a network's scores to weights that keep their limits by construction.

Fits and decisions call the same function.

For one instrument, with score :math:`s`, and :math:`\sigma` the volatility of a year,

.. math:: w = \tanh(s)\,\min(L, \sigma^*/\sigma)

For a cross-section, with :math:`\bar\sigma, \bar v` the session's means,

.. math:: v_i = c\,\tanh(s_i)\,\bar\sigma/\sigma_i, \quad u_i = v_i - \bar v, \quad
    w = u \cdot \min\Bigl(1, \frac{G}{\lVert u\rVert_1}, \frac{c}{\max_i |u_i|}\Bigr)

so that :math:`\sum w = 0`, :math:`\lVert w\rVert_1 \le G` and :math:`|w_i| \le c` whatever the scores are,
and all of it can be differentiated (paper section 3.1: the position is the network's own output). Risk, not
money, is what a score shares out: that is why it is divided by the volatility. A book is shrunk to its
limits, never blown up to them: a Sharpe ratio does not change with the size of a whole book, so one that is
always full could leave a losing direction only by way of another one, not through nothing.

What does not belong here: what makes a score good (`losses.py`), when is decided (`portfolio/positions.py`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.finetune.settings import CrossSectionLimits, DirectionalLimits

_SMALLEST = 1e-9
"""Keeps the limits of an empty book from dividing by zero; no limit is near it."""


def weights(
    limits: DirectionalLimits | CrossSectionLimits, scores: Tensor, volatility: Tensor, group: Tensor
) -> Tensor:
    """Turn scores into weights.

    Parameters
    ----------
    limits
        What no weight may exceed.
    scores
        Outputs of a network, shape (B,).
    volatility
        Standard deviation of a session's log return, shape (B,), positive.
    group
        Number of each row's decision session, shape (B,), from 0 on; of a cross-section all rows.

    Returns
    -------
    Tensor
        Fractions of equity, shape (B,), negative for short.
    """
    if isinstance(limits, DirectionalLimits):
        size = limits.vol_target / (volatility * math.sqrt(SESSIONS_PER_YEAR))
        return torch.tanh(scores) * size.clamp(max=limits.max_leverage)
    count = int(group.max()) + 1
    zeros = torch.zeros(count, dtype=scores.dtype)
    members = zeros.index_add(0, group, torch.ones_like(scores))
    risk = volatility / (zeros.index_add(0, group, volatility) / members)[group]
    raw = limits.max_position * torch.tanh(scores) / risk
    raw = raw - (zeros.index_add(0, group, raw) / members)[group]
    gross = zeros.index_add(0, group, raw.abs()).clamp(min=_SMALLEST)
    largest = zeros.scatter_reduce(0, group, raw.abs(), "amax").clamp(min=_SMALLEST)
    factor = torch.minimum(limits.gross / gross, limits.max_position / largest).clamp(max=1.0)
    return raw * factor[group]
