"""The foundation model f: R^(L_X x p) -> R^(L_Y x p) (paper, section 4.1), built as section 4.3 has it.

What does not belong here: the loss (`objective.py`), training (`pretrain.py`), files (`checkpoint.py`).

One token for each (patch, variable): patch embedding, time encoding and feature encoding concatenated. One
token for each (horizon patch, variable): a learned query plus the embedding of the variable's last patch
stands where the patch embedding would. One token for the series' frequency and asset class. Exchanges have no
token: the paper leaves their differences out (section 4.2, principle 2).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lim_pipelines.foundation.backbone import Backbone
from lim_pipelines.foundation.config import FREQS, FoundationConfig
from lim_pipelines.foundation.encodings import SeriesEncoding, TimeEncoding
from lim_pipelines.foundation.patching import from_patches, to_patches
from lim_pipelines.foundation.scaling import Scale, fit_scale, scaled
from lim_pipelines.foundation.series import CALENDAR, VARIABLES
from lim_pipelines.foundation.windows import WindowBatch
from lim_pipelines.instruments import ASSET_CLASSES


class Inputs(NamedTuple):
    """What the model reads: the fields of `WindowBatch` without the future, as tensors.

    Parameters
    ----------
    values
        (B, L, p) context in original units, NaN where missing; L a multiple of the patch, at most L_X.
    calendar
        (B, L, k) time features of the context's bars.
    freq, asset_class
        (B,) vocabulary positions.
    """

    values: Tensor
    calendar: Tensor
    freq: Tensor
    asset_class: Tensor

    @classmethod
    def of(cls, batch: WindowBatch, device: torch.device | str = "cpu") -> Inputs:
        """Take the inputs out of a batch of windows."""
        return cls(
            *(
                torch.from_numpy(a).to(device)
                for a in (batch.values, batch.calendar, batch.freq, batch.asset_class)
            )
        )

    def last(self, length: int) -> Inputs:
        """Keep the last `length` bars of the context."""
        return self._replace(values=self.values[:, -length:], calendar=self.calendar[:, -length:])


class Forecast(NamedTuple):
    """What the model says.

    Parameters
    ----------
    point
        (B, L_Y, p) forecast on the windows' own scales; 0 for variables that a window does not show.
    scale
        The windows' scales, (B, 1, p) each; NaN for variables that a window does not show.
    embedding
        (B, d_model) the window in one vector: the mean of its horizon tokens.
    reconstruction
        (B, L, p) scaled context as the model sees it through its masks; 0 where not computed.
    """

    point: Tensor
    scale: Scale
    embedding: Tensor
    reconstruction: Tensor


class FoundationModel(nn.Module):
    """The upstream model of one family.

    Parameters
    ----------
    config
        Size, context, horizon and patch.
    """

    def __init__(self, config: FoundationConfig) -> None:
        super().__init__()
        self.config = config
        d, patch = config.shape.d_model, config.patch
        p, horizon_patches = len(VARIABLES), config.horizon // patch
        self.project_in = nn.Linear(2 * patch, d // 2)  # scaled values, and which of them are there
        self.hidden_patch = nn.Parameter(torch.randn(d // 2) * 0.5)
        self.query = nn.Parameter(torch.randn(d // 2) * 0.5)
        self.time = TimeEncoding(config.context // patch, horizon_patches, patch * len(CALENDAR), d // 4)
        self.variable = nn.Parameter(torch.randn(p, d // 4) * 0.5)
        self.series = SeriesEncoding(len(FREQS), len(ASSET_CLASSES), d)
        self.backbone = Backbone(config.shape)
        self.project_out = nn.Linear(d, patch)
        self.reconstruct = nn.Linear(d, patch)
        for head in (self.project_out, self.reconstruct):
            # Untrained, the model says "as the context was": skill is earned, not luck at the start.
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, inputs: Inputs, hidden: Tensor | None = None) -> Forecast:
        """Forecast the horizon behind each context.

        Parameters
        ----------
        inputs
            B contexts.
        hidden
            (B, L / patch, p) bool, patches that the model must not see; None hides nothing.

        Raises
        ------
        ValueError
            The context is longer than L_X or no multiple of the patch.
        """
        batch, length, _ = inputs.values.shape
        patch = self.config.patch
        if length % patch or not 0 < length <= self.config.context:
            raise ValueError(
                f"{self.config.name}: a context of {length} bars; it must be a multiple of {patch} up to"
                f" {self.config.context}, pad it with NaN on the left"
            )
        observed = inputs.values.isfinite()
        if hidden is not None:
            visible = observed & ~from_patches(hidden[..., None].expand(-1, -1, -1, patch))
        else:
            visible = observed
        scale = fit_scale(inputs.values, visible, list(VARIABLES))
        # Variables that the whole batch lacks (close-only instruments) cost no tokens.
        kept = visible.any(dim=(0, 1)).nonzero()[:, 0]
        values = torch.where(visible, scaled(inputs.values, scale), 0.0)[..., kept]
        embedded, is_context = self._embed(values, visible[..., kept], observed[..., kept], hidden, kept)
        time, offset = self.time(inputs.calendar, patch)
        context = self._assemble(embedded, time, kept)
        # A question about the horizon starts from what its variable did last: without that, attention needs
        # hundreds of steps before it finds out which tokens a question is about.
        asked = (self.query + embedded[:, -1:]).expand(-1, len(offset), -1, -1)
        horizon = self._assemble(asked, offset.expand(batch, -1, -1), kept)
        is_horizon = visible[..., kept].any(dim=1).repeat(1, len(offset))
        series = self.series(inputs.freq, inputs.asset_class)[:, None]
        tokens = torch.cat([series, context, horizon], dim=1)
        is_token = torch.cat([is_context.new_ones(batch, 1), is_context, is_horizon], dim=1)
        tokens = self.backbone(tokens, is_token)
        _, context, horizon = tokens.split([1, context.shape[1], horizon.shape[1]], dim=1)
        weight = is_horizon[..., None].to(tokens.dtype)
        return Forecast(
            point=self._to_grid(self.project_out(horizon), len(offset), kept) * scale.spread.isfinite(),
            scale=scale,
            embedding=(horizon * weight).sum(1) / weight.sum(1).clamp(min=1),
            reconstruction=self._to_grid(self.reconstruct(context), length // patch, kept),
        )

    def encode(self, inputs: Inputs) -> Tensor:
        """Embed contexts: B contexts -> (B, d_model). Differentiable, for fine-tuning."""
        return self.forward(inputs).embedding

    def _embed(
        self, values: Tensor, visible: Tensor, observed: Tensor, hidden: Tensor | None, kept: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Patch embeddings (B, N, v, d / 2) of the v kept variables; which stand for anything, (B, N * v)."""
        there = to_patches(visible, self.config.patch)
        patches = to_patches(values, self.config.patch)
        embedded: Tensor = self.project_in(torch.cat([patches, there.to(values.dtype)], dim=-1))
        if hidden is not None:
            embedded = torch.where(hidden[..., kept, None], self.hidden_patch, embedded)
        # A hidden patch is a token as long as it stands for something; whether it does is no secret.
        return embedded, to_patches(observed, self.config.patch).any(dim=-1).flatten(1)

    def _assemble(self, embedded: Tensor, time: Tensor, kept: Tensor) -> Tensor:
        """Tokens (B, N * v, d) from patch embeddings (B, N, v, d / 2) and time encodings (B, N, d / 4)."""
        batch, n, v, _ = embedded.shape
        quarter = time.shape[-1]
        parts = [
            embedded,
            time[:, :, None].expand(batch, n, v, quarter),
            self.variable[kept].expand(batch, n, v, quarter),
        ]
        return torch.cat(parts, dim=-1).flatten(1, 2)

    def _to_grid(self, tokens: Tensor, n: int, kept: Tensor) -> Tensor:
        """Output patches (B, n * v, patch) on the grid (B, n * patch, p), 0 for dropped variables."""
        batch, _, patch = tokens.shape
        grid = from_patches(tokens.reshape(batch, n, len(kept), patch))
        out = grid.new_zeros(batch, n * patch, len(VARIABLES))
        return out.index_copy(2, kept, grid)
