"""Which rows a step is fitted on: windows, or whole cross-sections.

What does not belong here: the loss of these rows (`losses.py`), the loop (`neural.py`). No torch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec

Rows = npt.NDArray[np.int64]
"""Row numbers of `Samples`, shape (B,)."""


class Batches:
    """Draws the rows of each step: windows, or whole cross-sections.

    Parameters
    ----------
    spec
        Task and batch size.
    samples
        All samples.
    rows
        Rows that are fitted on.
    seed
        Seed of the draw.
    """

    def __init__(self, spec: ModelSpec, samples: Samples, rows: Rows, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0xBA7C])
        groups = samples.groups()[rows] if spec.task == "cross_sectional" else np.arange(len(rows))
        order = np.argsort(groups, kind="stable")
        self._units = np.split(rows[order], np.flatnonzero(np.diff(groups[order])) + 1)
        self._size = min(spec.fit.batch, len(self._units))

    def draw(self) -> Rows:
        """Rows of one step; windows or sessions are drawn without replacement within a step."""
        chosen = self._rng.choice(len(self._units), self._size, replace=False)
        return np.concatenate([self._units[i] for i in chosen])
