"""PatchTST (Nie et al. 2023, A Time Series is Worth 64 Words): patches of each variable by itself.

What does not belong here: training (`trained.py`).

The backbone is the paper's: overlapping patches (stride of half a patch), learned positions, full attention
within the context, one flattening layer to the horizon, weights shared by all variables. What is said about a
value is the foundation model's own head, so that the two differ in the backbone, in being supervised by one
horizon at a context's end, and in knowing neither calendar nor other variables.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lim_pipelines.foundation.baselines.trained import Trained
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.heads import COMPONENTS, HEADS, Head, Predicted
from lim_pipelines.foundation.series import VARIABLES

_DROPOUT = 0.1


class _Patched(nn.Module):
    """Contexts (B, L, p) to what the head takes."""

    def __init__(self, config: FoundationConfig, head: Head) -> None:
        super().__init__()
        d, self.patch, self.stride = config.shape.d_model, config.patch, max(1, config.patch // 2)
        number = (config.context - self.patch) // self.stride + 1
        self.head, self.horizon = head, config.horizon
        self.embed = nn.Linear(self.patch, d)
        self.position = nn.Parameter(torch.randn(number, d) * 0.02)
        layer = nn.TransformerEncoderLayer(
            d, config.shape.heads, 2 * d, _DROPOUT, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, config.shape.layers, enable_nested_tensor=False)
        self.out = nn.Linear(number * d, config.horizon * head.width)
        self.component = nn.Linear(number * d, COMPONENTS)
        for part in (self.out, self.component):  # untrained it says "as the context was"
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
        with torch.no_grad():
            self.out.bias.copy_(head.start().repeat(config.horizon))

    def forward(self, values: Tensor) -> Predicted:
        batch, _, p = values.shape
        patches = values.transpose(1, 2).unfold(2, self.patch, self.stride).flatten(0, 1)
        states = self.encoder(self.embed(patches) + self.position).flatten(1)
        raw = self.out(states).view(batch, p, self.horizon, self.head.width)
        logits = self.component(states).view(batch, p, COMPONENTS).mean(1)
        return Predicted(raw.transpose(1, 2)[:, None], logits[:, None])


class PatchTst(Trained):
    """The published backbone in the size of the model that it is compared with, under the same head."""

    name = "patchtst"

    def network(self) -> nn.Module:
        """See `Trained`."""
        self._head: Head = HEADS[self.config.head](len(VARIABLES))
        return _Patched(self.config, self._head)

    def loss(self, said: Predicted, truth: Tensor) -> Tensor:
        """Loss of the head."""
        return self._head.loss(said, truth[:, None])

    def point(self, said: Predicted) -> Tensor:
        """Mean of the head."""
        return self._head.point(said)[:, 0]

    def paths(self, said: Predicted, count: int, generator: torch.Generator) -> Tensor:
        """Draw from the head."""
        return self._head.sample(said, count, generator)[:, :, 0]
