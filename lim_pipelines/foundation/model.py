"""The foundation model f: R^(L_X x p) -> R^(L_Y x p) (paper, section 4.1), built as section 4.3 has it.

What does not belong here: the loss (`objective.py`), training (`pretrain.py`), files (`checkpoint.py`).

One token for each (patch, variable): patch embedding, time encoding and feature encoding concatenated. One
token for each (horizon patch, variable): a learned query in place of the patch embedding. One token for the
series' frequency and asset class. Exchanges have no token: the paper leaves their differences out (section
4.2, principle 2).
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
from lim_pipelines.foundation.windows import CALENDAR, VARIABLES, WindowBatch
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
        (B, L_Y, p) forecast on the windows' own scales; 0 for variables that no window of the batch shows.
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
        batch, length, p = inputs.values.shape
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
        context, is_context = self._context_tokens(
            values, visible[..., kept], observed[..., kept], inputs, hidden, kept
        )
        horizon, is_horizon = self._horizon_tokens(visible[..., kept], kept)
        series = self.series(inputs.freq, inputs.asset_class)[:, None]
        tokens = torch.cat([series, context, horizon], dim=1)
        is_token = torch.cat([is_context.new_ones(batch, 1), is_context, is_horizon], dim=1)
        tokens = self.backbone(tokens, is_token)
        _, context, horizon = tokens.split([1, context.shape[1], horizon.shape[1]], dim=1)
        weight = is_horizon[..., None].to(tokens.dtype)
        return Forecast(
            point=self._to_grid(self.project_out(horizon), kept, p),
            scale=scale,
            embedding=(horizon * weight).sum(1) / weight.sum(1).clamp(min=1),
            reconstruction=self._to_grid(self.reconstruct(context), kept, p),
        )

    def encode(self, inputs: Inputs) -> Tensor:
        """Embed contexts: B contexts -> (B, d_model). Differentiable, for fine-tuning."""
        return self.forward(inputs).embedding

    def _context_tokens(
        self,
        values: Tensor,
        visible: Tensor,
        observed: Tensor,
        inputs: Inputs,
        hidden: Tensor | None,
        kept: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Tokens (B, N * v, d) of the v kept variables, and which of them hold anything, (B, N * v)."""
        patch = self.config.patch
        there = to_patches(visible, patch)
        embedded = self.project_in(torch.cat([to_patches(values, patch), there.to(values.dtype)], dim=-1))
        if hidden is not None:
            embedded = torch.where(hidden[..., kept, None], self.hidden_patch, embedded)
        batch, n, v, half = embedded.shape
        time, _ = self.time(inputs.calendar, patch)
        quarter = time.shape[-1]
        parts = [
            embedded,
            time[:, :, None].expand(batch, n, v, quarter),
            self.variable[kept].expand(batch, n, v, quarter),
        ]
        # A hidden patch is a token as long as it stands for something; whether it does is no secret.
        is_token = to_patches(observed, patch).any(dim=-1).reshape(batch, n * v)
        return torch.cat(parts, dim=-1).reshape(batch, n * v, 2 * half), is_token

    def _horizon_tokens(self, visible: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, M * v, d) that ask for the horizon; whether the context shows their variable."""
        batch, m, v = visible.shape[0], self.time.offset.shape[0], len(kept)
        half, quarter = self.query.shape[0], self.time.offset.shape[1]
        parts = [
            self.query.expand(m, v, half),
            self.time.offset[:, None].expand(m, v, quarter),
            self.variable[kept].expand(m, v, quarter),
        ]
        tokens = torch.cat(parts, dim=-1).reshape(1, m * v, -1).expand(batch, -1, -1)
        shown = visible.any(dim=1)[:, None].expand(batch, m, v).reshape(batch, m * v)
        return tokens, shown

    def _to_grid(self, patches: Tensor, kept: Tensor, p: int) -> Tensor:
        """Patches (B, N * v, patch) on the original grid (B, N * patch, p), 0 for dropped variables."""
        batch, _, patch = patches.shape
        grid = (
            from_patches(patches.reshape(batch, -1, len(kept), patch))
            if len(kept)
            else patches.new_zeros(batch, 0, 0)
        )
        if len(kept) == p:
            return grid
        out = grid.new_zeros(batch, grid.shape[1], p)
        return out.index_copy(2, kept, grid)
