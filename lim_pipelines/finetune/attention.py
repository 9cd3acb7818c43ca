r"""A head that reads a whole cross-section as one sample: attention across the instruments of a session.

Every instrument's row asks all rows of its own session, so what is said of one depends on what the others
look like (paper, section 5.3: the entire cross-section is input as a single sample). No position is encoded:
the order of instruments means nothing, and rows that are permuted are answered in the same permutation
(Zaheer et al. 2017, Deep Sets; Vaswani et al. 2017, Attention is all you need). With :math:`x` the fused rows
of a session,

.. math:: h = W x, \qquad h' = h + \operatorname{attention}(\operatorname{norm} h), \qquad
    y = V \operatorname{gelu}(U \operatorname{norm} h').

Sessions of a batch have different numbers of instruments: they are padded, and padding is masked out.

What does not belong here: how features join the embedding (`fusion.py`), whole sessions in a batch
(`batches.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lim_pipelines.finetune.batch import Batch
from lim_pipelines.finetune.fusion import Fusion
from lim_pipelines.finetune.heads import DROPOUT, HIDDEN, Head

ATTENDING = 4
"""Attention heads; each reads a quarter of a row."""


class Attention(Head):
    """Attention across a session, then a perceptron for each row.

    Parameters
    ----------
    fusion
        What joins embedding and features.
    features, outputs
        See `Head`.
    """

    def __init__(self, fusion: Fusion, features: int, outputs: int) -> None:
        super().__init__(features, outputs)
        self.fusion = fusion
        self.row = nn.Linear(fusion.width, HIDDEN)
        self.before = nn.LayerNorm(HIDDEN)
        self.asked = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.answered = nn.Linear(HIDDEN, HIDDEN)
        self.behind = nn.LayerNorm(HIDDEN)
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(HIDDEN, outputs)
        # An unfitted head forecasts nothing at all, not noise.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def read(self, batch: Batch) -> Tensor:
        """See `Head.read`; the rows of a session must all be in the batch."""
        rows: Tensor = self.row(self.fusion(batch.embedding, batch.features, batch.known))
        rows = rows + self.dropout(self._across(self.before(rows), batch.group))
        out: Tensor = self.out(self.dropout(nn.functional.gelu(self.hidden(self.behind(rows)))))
        return out

    def _across(self, rows: Tensor, group: Tensor) -> Tensor:
        """Let each of B rows ask the rows of its own group."""
        place, counts = places(group)
        groups, longest = len(counts), int(counts.max())
        padded = rows.new_zeros(groups, longest, 3, ATTENDING, HIDDEN // ATTENDING)
        padded[group, place] = self.asked(rows).view(-1, 3, ATTENDING, HIDDEN // ATTENDING)
        query, key, value = padded.permute(2, 0, 3, 1, 4)
        there = torch.arange(longest) < counts[:, None]
        told = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=there[:, None, None, :]
        )
        answered: Tensor = self.answered(told.transpose(1, 2).flatten(2)[group, place])
        return answered


def places(group: Tensor) -> tuple[Tensor, Tensor]:
    """Count the rows of each group, and say where in it each row stands.

    Parameters
    ----------
    group
        (B,) numbers from 0, each of them there, in any order; B > 0.

    Returns
    -------
    place, counts
        (B,) a row's place among its group's, in order; (G,) rows of each group.
    """
    counts = torch.bincount(group)
    order = torch.argsort(group, stable=True)
    start = torch.cumsum(counts, 0) - counts
    place = torch.empty_like(group)
    place[order] = torch.arange(len(group)) - start[group[order]]
    return place, counts
