r"""What the backbone says of the quotes and what other modalities say, joined into one row.

:math:`e` is the normalised embedding of the quotes, :math:`x_m` the standardised numbers of modality m
(paper, section 5.2: fine-tuning adds other data to what the backbone knows of the quotes).

=================  =====================================================================================
concatenation      :math:`[e, x_1, x_2, \dots]`
gate               :math:`e + \sum_m g_m h_m`, with :math:`h_m = W_m x_m + b_m` and the gate
                   :math:`g_m = \sigma(G [e, h_m])` (gated multimodal unit: Arevalo et al. 2017, arXiv
                   1702.01992)
cross_attention    :math:`e + O \sum_j a_j V k_j` over the tokens :math:`k = (e, h_1, h_2, \dots)`, with
                   :math:`a` the softmax of :math:`(Q e) \cdot (K k_j) / \sqrt d`
=================  =====================================================================================

Missing is not average. Where an instrument has nothing of a modality, a learned vector stands in its place:
:math:`n_m` for :math:`x_m` in a concatenation, for :math:`h_m` else. So that it is learned, and so that no
forecast leans on one modality alone, a share of the rows loses each modality while fitting. What is about the
session (macro) is there for all instruments or for none: it is never dropped, and where it is missing it
stands at its mean. A single number that is missing beside others of its modality stands at its mean, too.

What does not belong here: which columns are a modality (`modalities.py`), what follows the joined row
(`heads.py`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lim_pipelines.finetune.modalities import Modality, modalities_of
from lim_pipelines.finetune.spec import ModelSpec

MODALITY_DROPOUT = 0.1
"""Share of the rows from which each optional modality is hidden in a step of the fit."""


class Fusion(nn.Module, ABC):
    """What every way of joining shares: the norm of the embedding, and what counts as missing.

    Parameters
    ----------
    width
        d, width of the embedding.
    modalities
        Groups of the features.
    """

    _optional: Tensor

    def __init__(self, width: int, modalities: tuple[Modality, ...]) -> None:
        super().__init__()
        self.modalities = modalities
        self.norm = nn.LayerNorm(width)
        optional = torch.tensor([m.optional for m in modalities], dtype=torch.bool)
        self.register_buffer("_optional", optional, persistent=False)

    @property
    @abstractmethod
    def width(self) -> int:
        """Width of a joined row."""

    @abstractmethod
    def join(self, embedding: Tensor, features: Tensor, absent: Tensor) -> Tensor:
        """Join what is there; arguments as in `forward`, the embedding normalised, absent (B, M) bool."""

    def forward(self, embedding: Tensor, features: Tensor, known: Tensor) -> Tensor:
        """Join the rows of a batch.

        Parameters
        ----------
        embedding
            (B, d).
        features
            (B, F), standardised. Numbers that are not known are not looked at.
        known
            (B, F) bool.

        Returns
        -------
        Tensor
            (B, `width`).
        """
        features = torch.where(known, features, 0.0)
        return self.join(self.norm(embedding), features, self._absent(known))

    def _absent(self, known: Tensor) -> Tensor:
        """Where an optional modality is missing, or hidden in this step, (B, M)."""
        if not self._optional.any():
            return torch.zeros(len(known), len(self.modalities), dtype=torch.bool)
        there = torch.stack([known[:, list(m.columns)].any(dim=1) for m in self.modalities], dim=1)
        if self.training:
            there = there & (torch.rand(there.shape) >= MODALITY_DROPOUT)
        return ~there & self._optional


class Concatenation(Fusion):
    """Numbers beside the embedding. See the module."""

    _owner: Tensor

    def __init__(self, width: int, modalities: tuple[Modality, ...]) -> None:
        super().__init__(width, modalities)
        owner = torch.zeros(sum(len(m.columns) for m in modalities), dtype=torch.long)
        for at, modality in enumerate(modalities):
            owner[list(modality.columns)] = at
        self.register_buffer("_owner", owner, persistent=False)
        if any(m.optional for m in modalities):
            self.nothing = nn.Parameter(torch.zeros(len(owner)))
        self._width = width + len(owner)

    @property
    def width(self) -> int:
        """Width of the embedding and all numbers, d + F."""
        return self._width

    def join(self, embedding: Tensor, features: Tensor, absent: Tensor) -> Tensor:
        """See `Fusion`."""
        if self._optional.any():
            features = torch.where(absent[:, self._owner], self.nothing, features)
        return torch.cat([embedding, features], dim=-1)


class Tokens(nn.Module):
    """A token of width d for each modality: its numbers, or the learned vector for nothing known.

    Parameters
    ----------
    width
        d.
    modalities
        Groups of the features.
    """

    def __init__(self, width: int, modalities: tuple[Modality, ...]) -> None:
        super().__init__()
        self.modalities = modalities
        self.read = nn.ModuleList(nn.Linear(len(m.columns), width) for m in modalities)
        self.nothing = nn.Parameter(torch.zeros(len(modalities), width))

    def forward(self, features: Tensor, absent: Tensor) -> Tensor:
        """Make tokens (B, M, d) of features (B, F)."""
        pairs = zip(self.read, self.modalities, strict=True)
        told = torch.stack([read(features[:, list(m.columns)]) for read, m in pairs], dim=1)
        return torch.where(absent[:, :, None], self.nothing, told)


class Gate(Fusion):
    """Each modality is let in as far as a gate opens, which looks at it and at the quotes. See the module."""

    def __init__(self, width: int, modalities: tuple[Modality, ...]) -> None:
        super().__init__(width, modalities)
        self.tokens = Tokens(width, modalities)
        self.opens = nn.Linear(2 * width, width)

    @property
    def width(self) -> int:
        """Width of the embedding, d."""
        return self.opens.out_features

    def join(self, embedding: Tensor, features: Tensor, absent: Tensor) -> Tensor:
        """See `Fusion`."""
        tokens = self.tokens(features, absent)
        beside = embedding[:, None].expand_as(tokens)
        gate = torch.sigmoid(self.opens(torch.cat([beside, tokens], dim=-1)))
        fused: Tensor = embedding + (gate * tokens).sum(dim=1)
        return fused


class CrossAttention(Fusion):
    """The quotes ask, the modalities and the quotes themselves answer. See the module."""

    def __init__(self, width: int, modalities: tuple[Modality, ...]) -> None:
        super().__init__(width, modalities)
        self.tokens = Tokens(width, modalities)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)

    @property
    def width(self) -> int:
        """Width of the embedding, d."""
        return self.out.out_features

    def join(self, embedding: Tensor, features: Tensor, absent: Tensor) -> Tensor:
        """See `Fusion`."""
        tokens = torch.cat([embedding[:, None], self.tokens(features, absent)], dim=1)
        asked = (self.key(tokens) * self.query(embedding)[:, None]).sum(dim=-1) / math.sqrt(self.width)
        answer = (torch.softmax(asked, dim=1)[:, :, None] * self.value(tokens)).sum(dim=1)
        fused: Tensor = embedding + self.out(answer)
        return fused


FUSIONS: dict[str, type[Fusion]] = {
    "concatenation": Concatenation,
    "gate": Gate,
    "cross_attention": CrossAttention,
}
"""Every way of joining, by its name in YAML."""


def make_fusion(spec: ModelSpec, width: int) -> Fusion:
    """Make what a spec asks for, unfitted.

    Parameters
    ----------
    spec
        Features and `fusion`.
    width
        d, width of the embedding.
    """
    return FUSIONS[spec.fusion](width, modalities_of(spec))
