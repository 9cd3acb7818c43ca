"""Token layouts: how patches of p variables become tokens, and what tokens say about variables.

What does not belong here: attention (`backbone.py`), when and which series (`encodings.py`), what the numbers
that come out mean (`heads.py`).

    patch      a token holds a patch of all variables: N tokens
    variable   a token holds a patch of one variable; attention over both at once: N * p tokens
    two_level  the same tokens; attention over time, then over variables

The paper concatenates patch embedding, time encoding and feature encoding; a projection of a concatenation is
the sum of projections of its parts, which is what is added here. In `patch` a variable's encoding is its own
block of the projection. Variables that no table names go to the spare slots `other_1`, `other_2`, which
training fills with known variables now and then.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.heads import COMPONENTS, Predicted
from lim_pipelines.foundation.patching import to_patches
from lim_pipelines.foundation.scaling import RECENT, Scale, on_bars, recent_moments
from lim_pipelines.foundation.series import VARIABLES

SLOTS: tuple[str, ...] = (*VARIABLES, "other_1", "other_2")
"""Variables of the model, those that it cannot name last. Rows of trained tables: append only."""

_SCALE_FEATURES = 3 + 2 * len(RECENT)


def into_slots(values: Tensor) -> Tensor:
    """Add the slots that values (B, L, p) do not fill, as missing: (B, L, len(SLOTS))."""
    missing = len(SLOTS) - values.shape[-1]
    return functional.pad(values, (0, missing), value=float("nan")) if missing else values


def features_of(
    values: Tensor, seen: Tensor, scale: Scale, patch: int, piece: Tensor | None = None
) -> Tensor:
    """Say what a token is told about a patch of a variable.

    Parameters
    ----------
    values, seen
        (B, L, p) context, and which of it the model may see.
    scale
        Of each patch.
    patch
        Bars in a patch.
    piece
        (B, N) which piece of its row each patch belongs to; None: one piece.

    Returns
    -------
    (B, N, p, 2 * patch + 3 + 2 * len(RECENT))
        asinh of the values on their patch's scale; which of them are there; log spread, its change since the
        patch before of the same piece, log number of bars behind the scale; means and log volatilities of
        late on it. 0 where nothing is known.
    """
    location, spread = (on_bars(part, patch) for part in (scale.location, scale.spread))
    on_scale = torch.where(seen, (values - location) / spread, 0.0).asinh()
    log_spread = scale.spread.log()
    change = torch.zeros_like(log_spread)
    change[:, 1:] = log_spread.diff(dim=1)
    if piece is not None:
        change[:, 1:] *= (piece.diff(dim=1) == 0)[..., None]
    recent = recent_moments(values, seen, scale, patch, piece)
    about = torch.stack([log_spread / 4, change, scale.weight.log1p() / 4], dim=-1)
    about = torch.cat([about, recent], dim=-1).nan_to_num(0.0, 0.0, 0.0)
    return torch.cat([to_patches(on_scale, patch), to_patches(seen, patch).to(values.dtype), about], dim=-1)


class Embedding(nn.Module):
    """Input projection: features of patches to tokens.

    Parameters
    ----------
    config
        Width, patch and layout.
    """

    def __init__(self, config: FoundationConfig) -> None:
        super().__init__()
        d, width = config.shape.d_model, 2 * config.patch + _SCALE_FEATURES
        self.together = config.layout == "patch"
        self.project = nn.Linear(width * len(SLOTS) if self.together else width, d)
        self.variable = None if self.together else nn.Parameter(torch.randn(len(SLOTS), d) * 0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Embed (B, N, p, width) as (B, N, V, d); V is 1 or p."""
        if self.variable is None:
            together: Tensor = self.project(features.flatten(2))[:, :, None]
            return together
        apart: Tensor = self.project(features) + self.variable
        return apart


class Decoder(nn.Module):
    """Output projection: from tokens back to the grid of bars and variables.

    Parameters
    ----------
    config
        Width, patch and layout.
    horizon
        Bars that a token speaks of, a multiple of the patch.
    start
        (P,) numbers of an untrained model.
    """

    def __init__(self, config: FoundationConfig, horizon: int, start: Tensor) -> None:
        super().__init__()
        d = config.shape.d_model
        self.patches, self.patch = horizon // config.patch, config.patch
        self.slots = len(SLOTS) if config.layout == "patch" else 1
        self.hidden = max(32, d // 2)
        self.up = nn.Linear(d, self.patches * self.hidden)
        self.out = nn.Linear(self.hidden, config.patch * self.slots * len(start))
        self.component = nn.Linear(d, COMPONENTS)
        for part in (self.out, self.component):
            # Untrained, the model says "as the context was": skill is earned, not luck at the start.
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
        with torch.no_grad():
            self.out.bias.copy_(start.repeat(config.patch * self.slots))

    def forward(self, states: Tensor, pooled: Tensor) -> Predicted:
        """Read states (B, R, V, d) and their means over variables (B, R, d)."""
        batch, asked, v, _ = states.shape
        steps = functional.gelu(self.up(states)).view(batch, asked, v, self.patches, self.hidden)
        raw = self.out(steps).view(batch, asked, v, self.patches * self.patch, self.slots, -1)
        # (B, R, V, L, slots, P): one of V and slots is 1.
        raw = raw[:, :, 0] if self.slots > 1 else raw[..., 0, :].transpose(2, 3)
        return Predicted(raw, self.component(pooled))
