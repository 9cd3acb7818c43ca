"""Which rows a step is fitted on: windows, whole cross-sections, or stretches of decisions one after another.

What does not belong here: the loss of these rows (`losses.py`), the loop (`neural.py`). No torch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import RELATIVE_TASKS, SHORTEST_BATCH, ModelSpec
from lim_pipelines.finetune.split import TooLittleHistoryError

Rows = npt.NDArray[np.int64]
"""Row numbers of `Samples`, shape (B,)."""

STRETCH = 16
"""Decisions that follow each other in a stretch. What a position costs depends on the one before it: each
stretch has one more in front, which earns nothing."""


class Batches:
    """Draws the rows of each step.

    For an alpha a unit is a window, or of a relative task a session with all its rows. For positions it is a
    stretch: sessions that are a horizon apart, with all their rows.

    Parameters
    ----------
    spec
        Task, output and batch size: so many units, of positions so many decisions.
    samples
        All samples.
    rows
        Rows that are fitted on.
    seed
        Seed of the draw.

    Raises
    ------
    TooLittleHistoryError
        Positions cannot be fitted on so few decisions.
    """

    def __init__(self, spec: ModelSpec, samples: Samples, rows: Rows, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0xBA7C])
        whole = spec.task in RELATIVE_TASKS or spec.output == "position"
        groups = samples.groups()[rows] if whole else np.arange(len(rows))
        order = np.argsort(groups, kind="stable")
        self._parts = np.split(rows[order], np.flatnonzero(np.diff(groups[order])) + 1)
        count = len(self._parts)
        self._units, self._size = np.arange(count)[:, None], min(spec.fit.batch, count)
        if spec.output == "position":
            step = spec.horizon // spec.fit.sample_every
            length = min(STRETCH, (count - 1) // step)
            if length < 1 or count - step < SHORTEST_BATCH:
                raise TooLittleHistoryError(
                    f"strategy {spec.name}: {count} sessions to fit on are too few for positions, which need"
                    f" {SHORTEST_BATCH} decisions that have another one a horizon ({spec.horizon} sessions)"
                    " before them; take a later cutoff, or lower horizon or fit.validation_sessions"
                )
            starts = np.arange(count - step * length)
            self._units = starts[:, None] + step * np.arange(length + 1)
            self._size = min(-(-spec.fit.batch // length), len(starts))

    def draw(self) -> Rows:
        """Rows of one step, each at most once; units are drawn without replacement within a step."""
        chosen = self._units[self._rng.choice(len(self._units), self._size, replace=False)]
        # Stretches may share sessions; windows and sessions stay in the order they were drawn in.
        parts = chosen[:, 0] if chosen.shape[1] == 1 else np.unique(chosen)
        return np.concatenate([self._parts[i] for i in parts])
