r"""The paper's network: an LSTM a share, what it takes from other shares, and the ranking loss.

Of the last hidden state :math:`e_i` a layer says the next scaled close, and the return is that over the last
scaled close (Feng et al. 2019, sections 4.1 to 4.3). Loss (equation 6), with returns r said and g had:

.. math:: \frac1N\sum_i (r_i - g_i)^2 + \frac{\alpha}{N^2}\sum_{ij} \max(0, -(r_i - r_j)(g_i - g_j))

What is taken from others, beside :math:`e_i`: nothing (Rank_LSTM); the mean of :math:`e_j` over shares of the
same industry, weighted by the softmax of :math:`w\, e_i^\top e_j` (RSR, explicit modelling); attention across
all shares. Steps read a random part of a session's shares, so that a core can do them; all are foretold.

What does not belong here: inputs (`as_published_data.py`), other models (`as_published_models.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.as_published_data import Flags, Floats, Inputs, Ints, Panel, industries
from benchmarks.as_published_models import Job

Others = Literal["none", "industry", "attention"]

HIDDEN, HEADS = 32, 4
ALPHA = 1.0
RATE = 5e-3
"""At the beginning; it falls to nothing as a cosine. The paper's is .001 for many more steps: with so few
steps, the loss on the validation sessions was half of what .001 left (no test was looked at)."""


@dataclass(frozen=True)
class Training:
    """How long and on how much a network learns.

    Parameters
    ----------
    epochs
        The one with the least loss on the validation sessions is kept.
    days
        Sessions of an epoch, drawn anew.
    shares
        Shares of a step, drawn anew.
    """

    epochs: int
    days: int
    shares: int


class RankNetwork(nn.Module):
    """An LSTM a share, and what it takes from the others of the session."""

    def __init__(self, others: Others) -> None:
        super().__init__()
        self.others: Others = others
        self.lstm = nn.LSTM(5, HIDDEN, batch_first=True)
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.attention = nn.MultiheadAttention(HIDDEN, HEADS, batch_first=True)
        self.price = nn.Linear(HIDDEN if others == "none" else 2 * HIDDEN, 1)

    def forward(self, x: Tensor, same: Tensor) -> Tensor:
        """Say returns, (N,), of x (N, SESSIONS, 5) and who is of one industry, (N, N)."""
        own = self.lstm(x)[0][:, -1]
        state = own
        if self.others == "industry":
            likeness = (self.weight * (own @ own.T)).masked_fill(~same, float("-inf"))
            state = torch.cat([own, torch.softmax(likeness, dim=1) @ own], dim=1)
        elif self.others == "attention":
            told = self.attention(own[None], own[None], own[None], need_weights=False)[0][0]
            state = torch.cat([own, told], dim=1)
        last = x[:, -1, -1]
        price: Tensor = nn.functional.leaky_relu(self.price(state))[:, 0]
        return (price - last) / last


def ranking_loss(said: Tensor, had: Tensor, alpha: float = ALPHA) -> Tensor:
    """Squared error, and a hinge of every pair that is said in the wrong order (equation 6).

    Parameters
    ----------
    said, had
        (N,) returns.
    alpha
        Weight of the pairs.
    """
    pairs = torch.relu(-(said[:, None] - said) * (had[:, None] - had))
    return ((said - had) ** 2).mean() + alpha * pairs.mean()


def network(others: Others, training: Training) -> Callable[[Job], list[Floats]]:
    """Make the model: fit, then foretell."""
    return partial(_fit, others, training)


def _fit(others: Others, training: Training, job: Job) -> list[Floats]:
    torch.manual_seed(job.seed)
    rng = np.random.default_rng(job.seed)
    net = RankNetwork(others)
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.epochs)
    graph = _graph(job.inputs.panel, others)
    validation = job.validation[:: max(1, len(job.validation) // 40)]
    best, kept = float("inf"), copy.deepcopy(net.state_dict())
    for _ in range(training.epochs):
        net.train()
        for t in rng.choice(job.fitted, min(training.days, len(job.fitted)), replace=False):
            own = np.flatnonzero(job.inputs.there[t] & np.isfinite(job.inputs.label[t]))
            loss = _loss(net, job.inputs, int(t), rng.permutation(own)[: training.shares], graph)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        slower.step()
        net.eval()
        with torch.no_grad():
            own_loss = np.mean([_judged(net, job.inputs, t, graph) for t in validation])
        if own_loss < best:
            best, kept = float(own_loss), copy.deepcopy(net.state_dict())
    net.load_state_dict(kept)
    return [_say(net, inputs, days) for inputs, days in job.asked]


def _graph(panel: Panel, others: Others) -> Flags:
    """Who is asked about whom; vendor files are read by the model alone that uses them."""
    return industries(panel) if others == "industry" else np.eye(len(panel.names), dtype=np.bool_)


def _judged(net: RankNetwork, inputs: Inputs, t: int, graph: Flags) -> float:
    own = np.flatnonzero(inputs.there[t] & np.isfinite(inputs.label[t]))
    return float(_loss(net, inputs, t, own, graph))


def _loss(net: RankNetwork, inputs: Inputs, t: int, own: Ints, graph: Flags) -> Tensor:
    had = torch.from_numpy(inputs.label[t][own].astype(np.float32))
    same = torch.from_numpy(graph[np.ix_(own, own)])
    return ranking_loss(net(torch.from_numpy(inputs.x(t)[own]), same), had)


def _say(net: RankNetwork, inputs: Inputs, days: Sequence[int]) -> Floats:
    """Foretell what can be chosen on each session; NaN for the rest."""
    graph, out = _graph(inputs.panel, net.others), np.full((len(days), len(inputs.panel.names)), np.nan)
    net.eval()
    with torch.no_grad():
        for row, t in enumerate(days):
            own = np.flatnonzero(inputs.there[t])
            same = torch.from_numpy(graph[np.ix_(own, own)])
            out[row, own] = net(torch.from_numpy(inputs.x(t)[own]), same).numpy()
    return out
