"""Paths behind contexts, as long as one wants: the model's horizon, and again behind what was drawn.

What does not belong here: what is read from paths (`answers.py`), the draws themselves (`heads.py`).

A horizon beyond L_Y is rolled out path by path: what was drawn becomes context, so that a wild week makes
a wild second one. Quantiles cannot be rolled out; a sum of quantiles is no quantile of a sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.heads import Head
from lim_pipelines.foundation.layouts import SLOTS
from lim_pipelines.foundation.model import Forecast, Inputs
from lim_pipelines.foundation.scaling import unscaled
from lim_pipelines.foundation.series import CALENDAR, Floats
from lim_pipelines.foundation.windows import WindowBatch

_GAP = CALENDAR.index("gap")
_ROWS = {"cpu": 64, "cuda": 1024}
ROLLED = 100
"""Paths behind the expected values of what is rolled out."""

_CELLS = 2**22
"""Most values at a time, which keeps memory flat however many contexts and paths are asked for."""


class Speaker(Protocol):
    """What says what follows: the model, or the same weights made fast."""

    @property
    def config(self) -> FoundationConfig:
        """Its configuration."""
        ...

    @property
    def head(self) -> Head:
        """Its head."""
        ...

    def __call__(self, inputs: Inputs, /) -> Forecast:
        """Say what follows each context."""
        ...


class Paths(NamedTuple):
    """What may follow B contexts, in original units; NaN for variables that a context does not show.

    Parameters
    ----------
    drawn
        (count, B, horizon, p) paths.
    mean
        (B, horizon, p) expected values: the head's own where it speaks of a bar, and where it is rolled out
        their mean over the paths, which has less noise than the mean of the draws.
    """

    drawn: Tensor
    mean: Tensor


def paths_behind(
    model: Speaker, batch: WindowBatch, horizon: int, count: int, seed: int, device: torch.device
) -> Iterator[Paths]:
    """Draw paths behind contexts in the order of the batch, as many contexts at a time as are quick.

    Parameters
    ----------
    model
        Who says what follows.
    batch
        Contexts.
    horizon, count
        Bars and number of the paths of each context.
    seed
        Seed of the draws.
    device
        Where the model is.
    """
    generator = torch.Generator(device).manual_seed(seed)
    # A path that is rolled out is a context of its own.
    config = model.config
    bars = horizon if horizon <= reach_of(config) else horizon + config.coarse + config.context
    most = max(1, _CELLS // (count * bars * len(SLOTS)))
    for inputs in _pieces(batch, device, most):
        with torch.inference_mode():
            paths = rollout(model, inputs, horizon, count, generator)
        yield paths


def embeddings(model: Speaker, batch: WindowBatch, device: torch.device) -> Iterator[Floats]:
    """Embed contexts in the order of the batch: (n, d_model) float32 each time."""
    for inputs in _pieces(batch, device):
        with torch.inference_mode():
            found = model(inputs).embedding.float().cpu().numpy()
        yield found


def _pieces(batch: WindowBatch, device: torch.device, most: int = 2**31) -> Iterator[Inputs]:
    """Contexts on a device, as many at a time as are best read, and at most `most`."""
    inputs = Inputs.of(batch, device)
    size = min(most, rows_at_a_time(device))
    for start in range(0, len(batch.values), size):
        yield take(inputs, slice(start, start + size))


def rollout(model: Speaker, inputs: Inputs, horizon: int, count: int, generator: torch.Generator) -> Paths:
    """Draw paths.

    Parameters
    ----------
    model
        Who says what follows.
    inputs
        B contexts of L_X bars and p variables.
    horizon
        Bars to draw, any number above 0.
    count
        Paths of each context.
    generator
        Source of the draws, on the inputs' device.
    """
    batch, _, p = inputs.values.shape
    said = model(inputs)
    drawn = unscaled(model.head.sample(said.said, count, generator).flatten(2, 3), said.scale)[..., :p]
    means = [_mean(model, said, p)]
    parts = [drawn]
    reach = drawn.shape[2]
    if horizon > reach:
        # From here on every path is a context of its own.
        inputs = take(inputs, torch.arange(batch, device=drawn.device).repeat(count))
    for _ in range(reach, horizon, reach):
        inputs = _continued(inputs, drawn.flatten(0, 1), model.config.coarse)
        drawn, mean = _one_each(model, inputs, generator)
        drawn = drawn.view(count, batch, reach, p)
        parts.append(drawn)
        means.append(mean.view(count, batch, reach, p).mean(0))
    return Paths(torch.cat(parts, dim=2)[:, :, :horizon], torch.cat(means, dim=1)[:, :horizon])


def reach_of(config: FoundationConfig) -> int:
    """Bars that a family's model speaks of at once; longer horizons are rolled out."""
    return config.patch if config.objective == "next_patch" else config.horizon


def rows_at_a_time(device: torch.device) -> int:
    """Contexts that are best read at a time; more of them fall out of a processor's cache."""
    return _ROWS.get(device.type, _ROWS["cuda"])


def take(inputs: Inputs, rows: Tensor | slice) -> Inputs:
    """Take some of a batch of contexts."""
    piece, window = (None if part is None else part[rows] for part in (inputs.piece, inputs.window))
    return Inputs(
        inputs.values[rows], inputs.calendar[rows], inputs.freq[rows], inputs.asset_class[rows], piece, window
    )


def _one_each(model: Speaker, inputs: Inputs, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One path of each context, and the expected values: (B, reach, p) each."""
    p, most = inputs.values.shape[2], rows_at_a_time(inputs.values.device)
    paths, means = [], []
    for start in range(0, len(inputs.values), most):
        said = model(take(inputs, slice(start, start + most)))
        drawn = model.head.sample(said.said, 1, generator)[0].flatten(1, 2)
        paths.append(unscaled(drawn, said.scale)[..., :p])
        means.append(_mean(model, said, p))
    return torch.cat(paths), torch.cat(means)


def _mean(model: Speaker, said: Forecast, p: int) -> Tensor:
    return unscaled(model.head.point(said.said).flatten(1, 2), said.scale)[..., :p]


def _continued(inputs: Inputs, drawn: Tensor, coarse: int) -> Inputs:
    """Contexts that end with what was drawn, (B, n, p), as long as before.

    The calendar of future bars is not known: theirs is the last bar's, without gaps. Bars of a coarser
    frequency, the first `coarse` ones, stay.
    """
    length = inputs.values.shape[1]
    before = coarse if inputs.piece is not None else 0
    calendar = inputs.calendar[:, -1:].expand(-1, drawn.shape[1], -1).clone()
    calendar[..., _GAP] = 0.0

    def moved(old: Tensor, new: Tensor) -> Tensor:
        fine = torch.cat([old[:, before:], new], dim=1)[:, -(length - before) :]
        return torch.cat([old[:, :before], fine], dim=1)

    return inputs._replace(values=moved(inputs.values, drawn), calendar=moved(inputs.calendar, calendar))
