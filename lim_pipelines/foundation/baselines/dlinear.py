"""DLinear (Zeng et al. 2023, Are Transformers Effective for Time Series Forecasting?): two linear layers.

What does not belong here: training (`trained.py`).

As in the paper all variables share the two matrices and the loss is the squared error. That is a point; paths
are the point and the errors that it made in training, whole horizons at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.foundation.baselines.trained import Trained, on_scale
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.heads import Predicted
from lim_pipelines.foundation.scaling import scaled
from lim_pipelines.foundation.series import Ints
from lim_pipelines.foundation.windows import Windows

_KERNEL = 25  # bars of the moving average that is called trend
_ERRORS = 2_000  # windows whose errors are kept


class _Linear(nn.Module):
    """Contexts (B, L, p) to horizons (B, H, p)."""

    def __init__(self, context: int, horizon: int) -> None:
        super().__init__()
        self.trend, self.rest = nn.Linear(context, horizon), nn.Linear(context, horizon)
        for part in (self.trend, self.rest):
            nn.init.constant_(part.weight, 1 / context)  # as in the authors' code: the mean to begin with

    def forward(self, values: Tensor) -> Predicted:
        rows = values.transpose(1, 2)
        padded = functional.pad(rows, ((_KERNEL - 1) // 2, _KERNEL // 2), mode="replicate")
        trend = functional.avg_pool1d(padded, _KERNEL, stride=1)
        point = (self.trend(trend) + self.rest(rows - trend)).transpose(1, 2)
        return Predicted(point[:, None, :, :, None], point.new_zeros(0))


class DLinear(Trained):
    """A linear function of the context, the same for all variables."""

    name = "dlinear"

    def __init__(self, config: FoundationConfig) -> None:
        super().__init__(config)
        self._errors = torch.empty(0)

    def network(self) -> nn.Module:
        """See `Trained`."""
        return _Linear(self.config.context, self.config.horizon)

    def loss(self, said: Predicted, truth: Tensor) -> Tensor:
        """Mean squared error."""
        known = truth.isfinite()
        error = (said.raw[:, 0, :, :, 0] - truth.nan_to_num()).clamp(-10, 10)
        return (error.square() * known).sum() / known.sum().clamp(min=1)

    @torch.no_grad()
    def learned(self, network: nn.Module, store: Windows, picks: Ints) -> None:
        """Keep errors on windows that were learned from, scaled as they are: (n, H, p)."""
        batch = store.batch(picks[:: max(1, len(picks) // _ERRORS)])
        inputs, scale = on_scale(batch)
        error = scaled(torch.from_numpy(batch.future), scale) - network(inputs).raw[:, 0, :, :, 0]
        # Variables that some windows do not show have their errors from the others.
        self._errors = error

    def point(self, said: Predicted) -> Tensor:
        """Return what it says, and the mean of its errors: training does not end at a mean of zero."""
        said_of = said.raw[:, 0, :, :, 0]
        return said_of + torch.stack([self._whole(at).mean(0) for at in range(said_of.shape[2])], dim=1)

    def paths(self, said: Predicted, count: int, generator: torch.Generator) -> Tensor:
        """Point and errors."""
        point = said.raw[:, 0, :, :, 0]
        batch, length, p = point.shape
        out = torch.full((count, batch, length, p), torch.nan)
        for variable in range(p):
            errors = self._whole(variable)
            if len(errors):
                at = torch.randint(len(errors), (count, batch), generator=generator)
                out[..., variable] = point[..., variable] + errors[at]
        return out

    def _whole(self, variable: int) -> Tensor:
        """Errors of a variable on horizons that are all there, (n, H)."""
        errors = self._errors[..., variable]
        return errors[errors.isfinite().all(dim=1)]
