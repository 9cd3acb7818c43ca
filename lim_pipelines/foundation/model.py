"""The foundation model f: R^(L_X x p) -> R^(L_Y x p) (paper, section 4.1), built as section 4.3 has it.

What does not belong here: the loss (`objective.py`), training (`pretrain.py`), files (`checkpoint.py`).

Patches of the context become tokens (`layouts.py`) with encodings of time and series (`encodings.py`); a
causal Transformer (`backbone.py`) reads them; behind any patch a decoder and a head (`heads.py`) say what
follows. Exchanges have no encoding: the paper leaves their differences out (section 4.2, principle 2).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lim_pipelines.foundation.backbone import Backbone
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.encodings import SeriesEncoding, TimeEncoding
from lim_pipelines.foundation.heads import HEADS, Head, Predicted
from lim_pipelines.foundation.layouts import SLOTS, Decoder, Embedding, features_of, into_slots
from lim_pipelines.foundation.patching import from_patches, to_patches
from lim_pipelines.foundation.scaling import Scale, running_scale, starts
from lim_pipelines.foundation.series import Floats, Ints
from lim_pipelines.foundation.windows import WindowBatch


class Inputs(NamedTuple):
    """What the model reads: the fields of `WindowBatch` without the future, as tensors.

    Parameters
    ----------
    values
        (B, L, p) context in original units, NaN where missing; L a multiple of the patch. p is at most
        len(SLOTS); the first variables are those of `VARIABLES`.
    calendar
        (B, L, k) time features of the context's bars.
    freq, asset_class
        (B,) vocabulary positions; where they differ within a row, of each of its patches or bars, as `piece`.
    piece
        (B, L / patch) or (B, L) pieces of a row that have scales of their own, numbered upwards; None: one.
    window
        (B, L / patch) windows of a packed row, which do not see each other; None: one window.
    """

    values: Tensor
    calendar: Tensor
    freq: Tensor
    asset_class: Tensor
    piece: Tensor | None = None
    window: Tensor | None = None

    @classmethod
    def of(cls, batch: WindowBatch, device: torch.device | str = "cpu") -> Inputs:
        """Take the inputs out of a batch of windows; bars of a coarser frequency come first, as a piece."""

        def tensor(array: Floats | Ints) -> Tensor:
            return torch.from_numpy(array).to(device)

        fine = cls(
            tensor(batch.values), tensor(batch.calendar), tensor(batch.freq), tensor(batch.asset_class)
        )
        if batch.coarse is None:
            return fine
        before = tensor(batch.coarse.values)
        rows, coarse, length = len(before), before.shape[1], fine.values.shape[1]
        at_bar = torch.arange(coarse + length, device=device) >= coarse
        return cls(
            values=torch.cat([before, fine.values], dim=1),
            calendar=torch.cat([tensor(batch.coarse.calendar), fine.calendar], dim=1),
            freq=torch.where(at_bar, fine.freq[:, None], tensor(batch.coarse.freq)[:, None]),
            asset_class=fine.asset_class,
            piece=at_bar.long().expand(rows, -1),
        )

    def last(self, length: int) -> Inputs:
        """Keep the last `length` bars of the context; only of one piece and window."""
        return self._replace(values=self.values[:, -length:], calendar=self.calendar[:, -length:])


class States(NamedTuple):
    """What the model thinks behind each patch.

    Parameters
    ----------
    tokens
        (B, N, V, d) normed states; V is 1 or p, by layout.
    pooled
        (B, N, d) their mean over the variables that are shown.
    scale
        Scale at the end of each patch.
    """

    tokens: Tensor
    pooled: Tensor
    scale: Scale


class Forecast(NamedTuple):
    """What the model says of the bars behind the context.

    Parameters
    ----------
    said
        What the head made of it; R is 1 but for `masked`, where it is the number of horizon patches.
    scale
        The windows' scales, (B, 1, p) each; NaN for variables that a window does not show.
    embedding
        (B, d_model) the window in one vector.
    """

    said: Predicted
    scale: Scale
    embedding: Tensor


class FoundationModel(nn.Module):
    """The upstream model of one family.

    Parameters
    ----------
    config
        Size, layout, objective, head, context, horizon and patch.
    """

    def __init__(self, config: FoundationConfig) -> None:
        super().__init__()
        self.config = config
        d, patch = config.shape.d_model, config.patch
        self.masked = config.objective == "masked"
        self.reach = config.horizon if config.objective == "horizon" else patch
        self.embed = Embedding(config)
        self.time = TimeEncoding(patch, d)
        self.series = SeriesEncoding(d)
        self.backbone = Backbone(config.shape, over_variables=config.layout == "two_level")
        self.head: Head = HEADS[config.head](len(SLOTS))
        self.decode = Decoder(config, self.reach, self.head.start())

    def states(self, inputs: Inputs, hidden: Tensor | None = None) -> States:
        """Read contexts.

        Parameters
        ----------
        inputs
            B contexts.
        hidden
            (B, L / patch, p) bool, patches that the model must not see; None hides nothing.

        Raises
        ------
        ValueError
            The context is no multiple of the patch, or has too many variables.
        """
        patch = self.config.patch
        _, length, p = inputs.values.shape
        if length % patch or not length or p > len(SLOTS):
            raise ValueError(
                f"{self.config.name}: a context of {length} bars and {p} variables; it must be a multiple of"
                f" {patch} bars (pad it with NaN on the left) and at most {len(SLOTS)} variables"
            )
        values = into_slots(inputs.values)
        seen = values.isfinite()
        if hidden is not None:
            seen = seen & ~from_patches(hidden[..., None].expand(-1, -1, -1, patch))
        n, window = length // patch, inputs.window
        piece = None if inputs.piece is None else _of_patches(inputs.piece, n)
        scale = running_scale(values, seen, SLOTS, patch, piece)
        if self.masked:
            # Both sides are read, so one scale holds for the whole window: that of all that is seen.
            scale = Scale(*(part.expand(-1, n, -1) for part in scale.last()))
        tokens = self.embed(features_of(values, seen, scale, patch, piece))
        freq, asset_class = (
            part[:, None].expand(-1, n) if part.ndim == 1 else _of_patches(part, n)
            for part in (inputs.freq, inputs.asset_class)
        )
        about = self.time(inputs.calendar) + self.series(freq, asset_class)
        shown = to_patches(seen, patch).any(-1)
        tokens = self._mix(tokens + about[:, :, None], shown, window)
        if tokens.shape[2] == 1:
            return States(tokens, tokens[:, :, 0], scale)
        weight = self._said_by_then(shown, window)[..., None].to(tokens.dtype)
        return States(tokens, (tokens * weight).sum(2) / weight.sum(2).clamp(min=1), scale)

    def ask(self, states: States, patches: Tensor) -> Predicted:
        """Say what follows some patches of each window: (B, R) positions."""
        at = patches[..., None]
        pooled = states.pooled.gather(1, at.expand(-1, -1, states.pooled.shape[-1]))
        index = at[..., None].expand(-1, -1, *states.tokens.shape[2:])
        said: Predicted = self.decode(states.tokens.gather(1, index), pooled)
        return said

    def forward(self, inputs: Inputs) -> Forecast:
        """Say what follows each context.

        Parameters
        ----------
        inputs
            B contexts.

        Raises
        ------
        ValueError
            See `states`.
        """
        patch, batch = self.config.patch, len(inputs.values)
        if not self.masked:
            states = self.states(inputs)
            last = torch.full((batch, 1), inputs.values.shape[1] // patch - 1, device=inputs.values.device)
            return Forecast(self.ask(states, last), states.scale.last(), states.pooled[:, -1])
        asked = self.config.horizon // patch
        states = self.states(with_unknown_future(inputs, self.config.horizon))
        n = states.pooled.shape[1]
        last = torch.arange(n - asked, n, device=inputs.values.device).expand(batch, -1)
        return Forecast(self.ask(states, last), states.scale.last(), states.pooled[:, -asked:].mean(1))

    def encode(self, inputs: Inputs) -> Tensor:
        """Embed contexts: B contexts -> (B, d_model). Differentiable, for fine-tuning."""
        if self.masked:
            return self.forward(inputs).embedding
        return self.states(inputs).pooled[:, -1]

    def _mix(self, tokens: Tensor, shown: Tensor, window: Tensor | None) -> Tensor:
        """Run the backbone over tokens (B, N, V, d)."""
        batch, n, v, d = tokens.shape
        at = torch.arange(n, device=tokens.device)
        causal = not self.masked
        # What nobody has seen is no key: a short history is not a long one that begins with silence. A patch
        # always sees itself, else its row of attention would be empty.
        empty = not bool(shown.any(-1).all())
        if self.config.layout == "variable":
            at, keys = at.repeat_interleave(v), shown.flatten(1)
            window = None if window is None else window.repeat_interleave(v, dim=1)
            all_masked = self._mask(at, keys, window, causal)
            flat: Tensor = self.backbone(tokens.flatten(1, 2), at, all_masked, causal)
            return flat.view(batch, n, v, d)
        some = empty or window is not None
        mask = self._mask(at, shown.any(-1), window, causal) if some else None
        if self.config.layout == "patch":
            out: Tensor = self.backbone(tokens[:, :, 0], at, mask, causal)[:, :, None]
            return out
        mask = None if mask is None else mask.repeat_interleave(v, dim=0)
        own = shown | ~shown.any(-1, keepdim=True)
        rows: Tensor = self.backbone(tokens.transpose(1, 2), at, mask, causal, own.transpose(1, 2))
        return rows.transpose(1, 2)

    def _said_by_then(self, shown: Tensor, window: Tensor | None) -> Tensor:
        """Variables that a patch's window has shown by then, (B, N, p); the others say nothing."""
        if self.masked:
            return shown.any(1, keepdim=True).expand_as(shown)
        count = shown.cumsum(1)
        if window is None:
            return count > 0
        first = starts(window)[..., None].expand_as(count)
        return count > (count - shown.long()).gather(1, first)

    @staticmethod
    def _mask(at: Tensor, keys: Tensor, window: Tensor | None, causal: bool) -> Tensor:
        """Which token may attend to which: (B, 1, S, S)."""
        allowed = keys[:, None, :].expand(-1, len(at), -1)
        if causal:
            allowed = allowed & (at[None, :] <= at[:, None])
        if window is not None:
            allowed = allowed & (window[:, None, :] == window[:, :, None])
        itself = torch.eye(len(at), dtype=torch.bool, device=at.device)
        return (allowed | itself)[:, None]


def _of_patches(part: Tensor, patches: int) -> Tensor:
    """Take each patch's first of (B, n) for n bars or patches."""
    return part[:, :: part.shape[1] // patches]


def with_unknown_future(inputs: Inputs, horizon: int) -> Inputs:
    """Add `horizon` bars of which nothing is known behind contexts of one piece and window."""
    batch, _, p = inputs.values.shape
    unknown = inputs.values.new_full((batch, horizon, p), float("nan"))
    # Calendars of future bars (a half day, a halt) are not known either.
    nothing = inputs.calendar.new_zeros(batch, horizon, inputs.calendar.shape[-1])
    return inputs._replace(
        values=torch.cat([inputs.values, unknown], dim=1),
        calendar=torch.cat([inputs.calendar, nothing], dim=1),
    )
