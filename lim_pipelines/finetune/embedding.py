"""Windows of samples as vectors: what a backbone makes of each sample's own window and of related ones.

What does not belong here: the backbone (`foundation/model.py`), heads (`heads.py`), features.

Samples are of one frequency: coarser bars that a backbone could read are missing, in fits and decisions
alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lim_pipelines.finetune.samples import Indices, Samples
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.windows import store_of

Encode = Callable[[Indices], Tensor]
"""Picks (M, 2) to embeddings (M, d)."""

CHUNK = 256
"""Windows that are embedded at a time where no gradient is needed; bounds the memory."""


class Embedded(NamedTuple):
    """Embeddings of N samples.

    Parameters
    ----------
    own
        (N, d) their own windows.
    others
        (N, K, d) windows of related instruments; 0 where there is none.
    """

    own: Tensor
    others: Tensor

    def at(self, rows: Indices) -> Embedded:
        """Return those of some rows."""
        index = torch.from_numpy(rows)
        return Embedded(self.own[index], self.others[index])


def encoder(backbone: FoundationModel, samples: Samples) -> Encode:
    """Lay the samples' series as a backbone reads them, and say how windows of them are encoded."""
    store = store_of(samples.series, backbone.config)

    def encode(picks: Indices) -> Tensor:
        return backbone.encode(Inputs.of(store.batch(picks)))

    return encode


def embed(encode: Encode, picks: Indices, others: Indices) -> Embedded:
    """Embed samples.

    Parameters
    ----------
    encode
        What embeds windows.
    picks
        (N, 2) own windows, N > 0.
    others
        (N, K, 2) related windows; row -1 where there is none.
    """
    own = encode(picks)
    related = own.new_zeros(*others.shape[:2], own.shape[1])
    there = others[..., 1] >= 0
    if there.any():
        # A leader stands beside many laggers: each window is embedded once.
        windows, which = np.unique(others[there], axis=0, return_inverse=True)
        related[torch.from_numpy(there)] = encode(windows)[torch.from_numpy(which)]
    return Embedded(own, related)


@torch.no_grad()
def embed_all(backbone: FoundationModel, samples: Samples) -> Embedded:
    """Embed N samples without gradients, N > 0."""
    backbone.eval()
    encode = encoder(backbone, samples)

    def chunked(picks: Indices) -> Tensor:
        return torch.cat([encode(picks[i : i + CHUNK]) for i in range(0, len(picks), CHUNK)])

    return embed(chunked, samples.picks, samples.others)


class Frozen:
    """A backbone that is not trained; it remembers the embeddings of the samples it saw last.

    Parameters
    ----------
    backbone
        The checkpoint's model.
    """

    def __init__(self, backbone: FoundationModel) -> None:
        self.backbone = backbone
        self._last: tuple[Samples, Embedded] | None = None

    def embed(self, samples: Samples) -> Embedded:
        """Embed N samples, N > 0."""
        # Samples that hide a modality have the same windows.
        if self._last is not None:
            last, embedded = self._last
            if last.picks is samples.picks and last.others is samples.others:
                return embedded
        embedded = self._compute(samples)
        self._last = (samples, embedded)
        return embedded

    def _compute(self, samples: Samples) -> Embedded:
        return embed_all(self.backbone, samples)
