r"""What a fit makes small: quantile loss of an alpha, Sharpe ratio of positions.

**Alpha.** With label :math:`y` and quantiles :math:`q_k` at levels :math:`p_k` (`quantiles.py`), all in
units of the sample's scale, twice the mean pinball loss

.. math:: 2\,\mathrm{mean}_k \max\bigl(p_k (y - q_k),\; (p_k - 1)(y - q_k)\bigr),

which is about the CRPS and is least at the true quantiles (Koenker and Bassett 1978, Econometrica 46). In a
relative task label and location are relative to the session's mean.

**Position.** The paper's Eq. 1 (section 3.1) is :math:`-\log E(r) + \log\sigma(r)`. It is undefined for a
portfolio that loses, where training begins half of the time. Here it is

.. math:: -\sqrt{252/h}\; E(r) / \sqrt{\sigma^2(r) + f^2},

whose minimum is the same, with returns :math:`r` net of costs, as the engine counts them: a trade is the
difference to the position that prices have moved; what enters the universe buys all of its position, and what
leaves it sells all of it. While the mean is negative the denominator has no gradient:
else a losing portfolio would be improved by more risk. At a mean of zero both gradients agree.

What does not belong here: which rows a step sees (`batches.py`), the loop (`neural.py`), what is done with a
fitted arm's outputs (`base.py`), how scores become weights (`positions.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lim_pipelines.finetune.base import targets
from lim_pipelines.finetune.batches import Rows
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.finetune.positions import weights
from lim_pipelines.finetune.quantiles import LEVELS, STEPS
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import RELATIVE_TASKS, ModelSpec

FLOOR = 1e-4
"""f, return over a horizon: a book that hardly moves has no Sharpe ratio to speak of."""

Loss = Callable[[Tensor, Rows], Tensor]
"""Outputs (B, Q) of rows (B,) to a number."""


def make_loss(spec: ModelSpec, samples: Samples) -> Loss:
    """Make the loss of a spec's outputs.

    Parameters
    ----------
    spec
        Task, horizon, output, limits and costs.
    samples
        All samples; rows refer to these.
    """
    return SharpeLoss(spec, samples) if spec.output == "position" else QuantileLoss(spec, samples)


class QuantileLoss:
    """Twice the mean pinball loss, in units of each sample's scale; see the module.

    Parameters
    ----------
    spec
        Task and horizon.
    samples
        All samples; rows refer to these.
    """

    def __init__(self, spec: ModelSpec, samples: Samples) -> None:
        # Labels that nobody knows are NaN; no row of a split refers to one.
        self._relative = spec.task in RELATIVE_TASKS
        self._scale = torch.from_numpy(samples.scale(spec.horizon)).float()
        known = np.flatnonzero(np.isfinite(samples.label))
        label = np.full(len(samples), np.nan)
        label[known] = targets(spec.task, samples.at(known))
        self._target = torch.from_numpy(label).float() / self._scale
        self._groups = samples.groups()
        self._levels = torch.tensor(LEVELS)
        self._steps = torch.from_numpy(STEPS).float()

    def __call__(self, outputs: Tensor, rows: Rows) -> Tensor:
        """Mean loss of outputs (B, len(LEVELS)) of rows (B,); of a relative task all of a session's rows."""
        index = torch.from_numpy(rows)
        location = outputs[:, 0]
        if self._relative:
            scale = self._scale[index]
            group = torch.from_numpy(np.unique(self._groups[rows], return_inverse=True)[1])
            returns = location * scale
            total = torch.zeros(int(group.max()) + 1).index_add(0, group, returns)
            location = (returns - (total / torch.bincount(group))[group]) / scale
        quantiles = location[:, None] + torch.exp(outputs[:, 1:]) @ self._steps
        error = self._target[index][:, None] - quantiles
        return 2.0 * torch.maximum(self._levels * error, (self._levels - 1.0) * error).mean()


def minus_sharpe(net: Tensor, horizon: int) -> Tensor:
    """Minus the annualised Sharpe ratio of returns (T,) over a horizon in sessions; see the module."""
    mean = net.mean()
    spread = torch.sqrt(net.var(correction=0) + FLOOR**2)
    if mean <= 0:
        spread = spread.detach()
    return -mean / spread * math.sqrt(SESSIONS_PER_YEAR / horizon)


class SharpeLoss:
    """Minus the annualised Sharpe ratio of the rows' portfolio after costs; see the module.

    Parameters
    ----------
    spec
        Horizon, limits and costs.
    samples
        All samples; rows refer to these.
    """

    def __init__(self, spec: ModelSpec, samples: Samples) -> None:
        if spec.position is None:
            raise ValueError(f"strategy {spec.name}: its models say no positions")
        self._limits, self._horizon = spec.position, spec.horizon
        self._return = torch.tensor(np.expm1(samples.label), dtype=torch.float32)
        self._volatility = torch.tensor(samples.volatility, dtype=torch.float32)
        self._groups = samples.groups()
        self._before, self._after = _neighbours(samples, spec.horizon)
        mics = samples.frame["exchange"].to_list()
        rates = {mic: (spec.costs.trade_rate(mic), spec.costs.borrow_rate(mic)) for mic in set(mics)}
        self._trade = torch.tensor([rates[mic][0] for mic in mics])
        self._borrow = torch.tensor([rates[mic][1] for mic in mics]) * (spec.horizon / SESSIONS_PER_YEAR)

    def __call__(self, outputs: Tensor, rows: Rows) -> Tensor:
        """Loss of outputs (B, 1) of rows (B,): whole sessions, most of them a horizon after another one."""
        return minus_sharpe(self.returns(outputs, rows), self._horizon)

    def returns(self, outputs: Tensor, rows: Rows) -> Tensor:
        """Net returns (T,) of the portfolio, of each session that has another one a horizon before it."""
        index = torch.from_numpy(rows)
        numbers, session = np.unique(self._groups[rows], return_inverse=True)
        of = torch.from_numpy(session)
        zeros = torch.zeros(len(numbers))
        weight = weights(self._limits, outputs[:, 0], self._volatility[index], of)
        book = zeros.index_add(0, of, weight * self._return[index])
        # What prices make of each position by the end of its horizon.
        drifted = weight * ((1.0 + self._return[index]) / (1.0 + book[of]))
        now, before, new, gone = self._trades(rows)
        counted = np.unique(session[now])
        traded = torch.cat([(weight[now] - drifted[before]).abs(), weight[new].abs(), drifted[gone].abs()])
        behind = np.searchsorted(numbers, self._groups[rows[gone]] + self._horizon)
        paid_in = torch.from_numpy(np.concatenate([session[now], session[new], behind]))
        rate = self._trade[rows[np.concatenate([now, new, gone])]]
        net = book - zeros.index_add(0, of, self._borrow[index] * torch.relu(-weight))
        return net.index_add(0, paid_in, -rate * traded)[counted]

    def _trades(self, rows: Rows) -> tuple[Rows, Rows, Rows, Rows]:
        """Places in `rows` of decisions on what was held, of those before them, of what is new, of what goes.

        What is new was not there a horizon earlier, what goes is not there a horizon later: in sessions that
        have another one before them in `rows`.
        """
        place = np.full(len(self._groups) + 1, -1)  # behind the last sample: what is not there
        place[rows] = np.arange(len(rows))
        earlier = place[self._before[rows]]
        now = np.flatnonzero(earlier >= 0)
        at = self._groups[rows]
        counted = np.unique(at[now])
        new = np.flatnonzero((self._before[rows] < 0) & np.isin(at, counted))
        gone = np.flatnonzero((self._after[rows] < 0) & np.isin(at + self._horizon, counted))
        return now, earlier[now], new, gone


def _neighbours(samples: Samples, horizon: int) -> tuple[Rows, Rows]:
    """Of each sample, those of its instrument a horizon of its bars before and behind it, (N,) each.

    -1 where there is none with a known label: it enters the universe there, or leaves it.
    """
    series, bar = samples.picks.T
    # One number a window, with room so that a horizon leads into no other instrument's.
    key = series * (int(bar.max(initial=0)) + 2 * horizon + 1) + bar + horizon
    known = np.flatnonzero(np.isfinite(samples.label))
    order = known[np.argsort(key[known])]

    def found(wanted: Rows) -> Rows:
        at = np.minimum(np.searchsorted(key[order], wanted), len(order) - 1)
        return np.where(key[order[at]] == wanted, order[at], -1)

    return found(key - horizon), found(key + horizon)
