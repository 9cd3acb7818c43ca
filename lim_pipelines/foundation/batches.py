"""The batches of a training: which windows a step learns from is a function of (seed, step) alone.

What does not belong here: which windows are drawn (`sampler.py`), gathering and changing them (`augment.py`),
packing them into rows (`packing.py`), the loop (`pretrain.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor, distributed
from torch.utils.data import IterableDataset

from lim_pipelines.foundation.augment import Augmenter
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.model import Inputs
from lim_pipelines.foundation.packing import inputs_of
from lim_pipelines.foundation.resume import RunState
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.windows import Windows, target_span


class Batches(IterableDataset[tuple[Inputs, Tensor]]):
    """Random windows: `accumulate` pieces a step, of which each process of a run takes every n-th row.

    However a step is cut, it learns from the same windows.

    Parameters
    ----------
    windows
        Series that windows are gathered from.
    sampler
        Which windows may be drawn.
    config
        Batch size and pieces.
    seed
        Seed of the windows.
    steps
        Steps in all.
    state
        Where the run is; `last_target` of it is brought up to date.
    """

    def __init__(
        self,
        windows: Windows,
        sampler: WindowSampler,
        config: FoundationConfig,
        seed: int,
        steps: int,
        state: RunState,
    ) -> None:
        self._windows, self._sampler, self._config = windows, sampler, config
        self._seed, self._steps, self._state = seed, steps, state

    def __len__(self) -> int:
        """Pieces that are left. Without a length Lightning would ask for a batch ahead of its step."""
        return (self._steps - self._state.step) * self._config.training.accumulate

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor]]:
        """Give the pieces of all steps that are left."""
        rank, world = 0, 1
        if distributed.is_initialized():
            rank, world = distributed.get_rank(), distributed.get_world_size()
        pieces = self._config.training.accumulate
        augmented = Augmenter(self._windows, self._config)
        for step in range(self._state.step, self._steps):
            picks = self._sampler.draw(self._config.batch_size, self._seed, step + self._state.skipped)
            last = target_span(self._windows, picks, self._config.horizon)[1]
            self._state.last_target = max(self._state.last_target, last)
            for piece in range(pieces):
                rows = np.arange(len(picks))[piece::pieces][rank::world]
                batch = augmented.batch(picks, rows, self._seed, step + self._state.skipped)
                yield inputs_of(batch, self._config)
