"""What continual training keeps and loses, against training from scratch: quality, cost, forgetting.

What does not belong here: the plan of a real cutoff (`continual.py`), plots (`forgetting_plot.py`), the world
that it is measured in (`benchmarks/continual.py`).

Checkpoints are rolled over cutoffs in several ways (arms) and judged by the matrix R: R[c, j] is the skill of
the checkpoint of cutoff c on cell j, an exchange in a stretch of time, on instruments that no checkpoint is
trained on. Cells before c tell what is kept, the stretch right behind c what is gained from newer data
(Lopez-Paz and Ranzato 2017, Gradient episodic memory, section 2). Forgetting of a cell is the best skill that
an earlier checkpoint had on it less that of the last one (Chaudhry et al. 2018, Riemannian walk, section 5).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.continual import RATE
from lim_pipelines.foundation.flops import training_flops
from lim_pipelines.foundation.judged import scores_of, shortfalls
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.proxy import teach
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import Ints
from lim_pipelines.foundation.windows import Span, Windows

Floats = npt.NDArray[np.float64]

_BEGINNING = -(2**62)
_MOST_WINDOWS = 96  # of each cell


@dataclass(frozen=True)
class Arm:
    """A way to roll checkpoints over cutoffs; `full_every` and `replay` as in `config.Continual`."""

    name: str
    full_every: int
    replay: float


@dataclass(frozen=True)
class Cells:
    """Windows that judge: of instruments that nobody is trained on, by exchange and stretch of time.

    Parameters
    ----------
    exchange
        (J,) exchange of each cell.
    stretch
        (J,) 0 before the first cutoff, k between cutoffs k - 1 and k.
    picks
        (n, 2) picks of all cells.
    cell
        (n,) cell of each window.
    """

    exchange: tuple[str, ...]
    stretch: Ints
    picks: Ints
    cell: Ints


@dataclass(frozen=True)
class Outcome:
    """What became of an arm with one seed.

    Parameters
    ----------
    matrix
        (C, J) skill of each cutoff's checkpoint on each cell.
    next_lost
        Shortfalls (`judged.shortfalls`) on the windows of the stretch behind each cutoff, end to end.
    flops, seconds
        Operations and time of its trainings.
    """

    matrix: Floats
    next_lost: Floats
    flops: float
    seconds: float


def cells_of(windows: Windows, config: FoundationConfig, cutoffs: Ints, held_out: Sequence[int]) -> Cells:
    """Cut time at the cutoffs, and choose windows of the held-out instruments in each stretch.

    Parameters
    ----------
    windows
        All series, over all the time.
    config
        Horizon and patch.
    cutoffs
        (C,) moments, microseconds, UTC, increasing.
    held_out
        Positions of the instruments that judge.

    Raises
    ------
    ValueError
        None of them has a window.
    """
    edges = [_BEGINNING, *cutoffs.tolist(), 2**62]
    exchange: list[str] = []
    stretch, picks, cell = [], [], []
    for k in range(len(edges) - 1):
        sampler = WindowSampler(
            windows, horizon=config.horizon, patch=config.patch, span=Span(edges[k], edges[k + 1])
        )
        # Few of many instruments are held out: more are looked at than are taken.
        for (place, _), found in sampler.spread(16 * _MOST_WINDOWS).items():
            mine = found[np.isin(found[:, 0], held_out)]
            mine = (
                mine[np.unique(np.linspace(0, len(mine) - 1, _MOST_WINDOWS).astype(int))]
                if len(mine)
                else mine
            )
            if len(mine):
                picks.append(mine)
                cell.append(np.full(len(mine), len(exchange)))
                exchange.append(place)
                stretch.append(k)
    if not picks:
        raise ValueError(
            f"none of the {len(held_out)} instruments that are held out has a window of {config.horizon} bars"
            " behind a context between two cutoffs; take more exchanges"
        )
    return Cells(tuple(exchange), np.array(stretch), np.concatenate(picks), np.concatenate(cell))


def next_rows(cells: Cells, cutoffs: int) -> list[npt.NDArray[np.int64]]:
    """Rows of `cells.picks` in the stretch behind each cutoff."""
    return [np.flatnonzero(cells.stretch[cells.cell] == k + 1) for k in range(cutoffs)]


class Rolling:
    """Rolls arms over the same cutoffs from the same start; what arms share is trained once, charged to all.

    Parameters
    ----------
    windows
        All series.
    config
        `steps_first`, `steps_continual`, `learning_rate`, `batch_size` and the architecture.
    cutoffs
        (C,) moments.
    cells
        What judges.
    held_out
        Positions of instruments that are never trained on.
    seed
        Seed of weights and windows.
    """

    def __init__(
        self,
        windows: Windows,
        config: FoundationConfig,
        cutoffs: Ints,
        cells: Cells,
        held_out: Sequence[int],
        seed: int,
    ) -> None:
        self._windows, self._config, self._cutoffs, self._cells = windows, config, cutoffs, cells
        self._held_out, self._seed = held_out, seed
        self._fresh: dict[int, tuple[FoundationModel, float]] = {}

    def run(self, arm: Arm) -> Outcome:
        """Roll one arm."""
        rows, nexts, seconds, steps = [], [], 0.0, 0
        model: FoundationModel | None = None
        behind = next_rows(self._cells, len(self._cutoffs))
        groups = np.asarray(self._cells.exchange)[self._cells.cell]
        for k in range(len(self._cutoffs)):
            if model is None or (arm.full_every and k % arm.full_every == 0):
                model, took = self._from_scratch(k)
                steps += self._config.steps_first
            else:
                model, took = self._on_from(model, k, arm.replay)
                steps += self._config.steps_continual
            seconds += took
            scores = scores_of(model, self._windows, self._cells.picks)
            rows.append(self._skills(scores))
            nexts.append(shortfalls(scores, groups.tolist())[behind[k]])
        assert model is not None
        flops = steps * self._config.batch_size * training_flops(model)
        return Outcome(np.stack(rows), np.concatenate(nexts), flops, seconds)

    def _from_scratch(self, k: int) -> tuple[FoundationModel, float]:
        if k not in self._fresh:
            torch.manual_seed(self._seed)
            self._fresh[k] = self._taught(FoundationModel(self._config), k, None, 1.0)
        return self._fresh[k]

    def _on_from(self, parent: FoundationModel, k: int, replay: float) -> tuple[FoundationModel, float]:
        return self._taught(copy.deepcopy(parent), k, int(self._cutoffs[k - 1]), replay)

    def _taught(
        self, model: FoundationModel, k: int, recent_from: int | None, replay: float
    ) -> tuple[FoundationModel, float]:
        config, start = self._config, time.perf_counter()
        sampler = WindowSampler(
            self._windows,
            horizon=config.horizon,
            patch=config.patch,
            span=Span(_BEGINNING, int(self._cutoffs[k])),
            left_out=self._held_out,
            recent_from=recent_from,
            replay=replay,
        )
        first = recent_from is None
        teach(
            model,
            self._windows,
            sampler,
            steps=config.steps_first if first else config.steps_continual,
            learning_rate=config.learning_rate * (1 if first else RATE),
            seed=self._seed * 1_000 + k,
        )
        return model, time.perf_counter() - start

    def _skills(self, scores: Floats) -> Floats:
        cells = range(len(self._cells.exchange))
        sums = [np.nansum(scores[self._cells.cell == j], axis=0) for j in cells]
        return np.array([1 - model / trivial for model, trivial in sums])


def forgetting(matrix: Floats, stretch: Ints) -> Floats:
    """Forgetting of each cell that lies before the last but one cutoff, else NaN: (J,).

    Parameters
    ----------
    matrix
        (C, J) skills.
    stretch
        (J,) of each cell; the checkpoint of cutoff c could train on stretches 0 .. c.
    """
    count = len(matrix)
    out = np.full(matrix.shape[1], np.nan)
    for j, when in enumerate(stretch.tolist()):
        if when < count - 1:
            out[j] = matrix[when : count - 1, j].max() - matrix[-1, j]
    return out


def kept(matrix: Floats, stretch: Ints) -> float:
    """Mean skill of the last checkpoint on all that lies before its cutoff."""
    return float(np.nanmean(matrix[-1, stretch < len(matrix)]))


def forward(matrix: Floats, stretch: Ints) -> float:
    """Mean skill of each checkpoint on the stretch behind its cutoff."""
    return float(np.nanmean([matrix[k, stretch == k + 1].mean() for k in range(len(matrix))]))
