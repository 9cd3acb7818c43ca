r"""From a network's scores to weights that keep their limits by construction.

Fits and decisions call the same function.

For one instrument, with score :math:`s`, and :math:`\sigma` the volatility of a year,

.. math:: w = \tanh(s)\,\min(L, \sigma^*/\sigma)

For a cross-section, with :math:`\bar v` the session's mean,

.. math:: v_i = \tanh(s_i)/\sigma_i, \quad u_i = v_i - \bar v, \quad
    w = u \cdot \min\Bigl(\frac{G}{\lVert u\rVert_1 + \varepsilon/\bar\sigma}, \frac{c}{\max_i |u_i|}\Bigr)

so that :math:`\sum w = 0`, :math:`\lVert w\rVert_1 < G` and :math:`|w_i| \le c` whatever the scores are, and
all of it can be differentiated (paper section 3.1: the position is the network's own output). Risk, not
money, is what a score shares out: that is why it is divided by the volatility.

What does not belong here: what makes a score good (`losses.py`), when is decided (`portfolio/positions.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.finetune.spec import CrossSectionLimits, DirectionalLimits

FULL = 0.05
"""epsilon: sum of |tanh| by which a book's gross is half of what is allowed. Far smaller than what any fitted
network says; it only lets an unfitted one, which says zero, hold nothing."""


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
        size = limits.vol_target / (volatility * SESSIONS_PER_YEAR**0.5)
        return torch.tanh(scores) * size.clamp(max=limits.max_leverage)
    count = int(group.max()) + 1 if len(group) else 0
    zeros = torch.zeros(count, dtype=scores.dtype)
    members = zeros.index_add(0, group, torch.ones_like(scores))
    # Over the session's mean: then epsilon is a number of tanhs.
    risk = volatility / (zeros.index_add(0, group, volatility) / members)[group]
    raw = torch.tanh(scores) / risk
    raw = raw - (zeros.index_add(0, group, raw) / members)[group]
    gross = zeros.index_add(0, group, raw.abs())
    largest = zeros.scatter_reduce(0, group, raw.abs(), "amax").clamp(min=1e-6)
    factor = torch.minimum(limits.gross / (gross + FULL), limits.max_position / largest)
    return raw * factor[group]
