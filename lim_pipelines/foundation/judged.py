"""Models judged on the same windows: scores of single windows, so that differences can be paired.

What does not belong here: which windows (`promotion.py`, `selection.py`, `forgetting.py`), the mean skill of
a checkpoint as its meta records it (`skill.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.series import DAY, Ints
from lim_pipelines.foundation.skill import Group, window_scores
from lim_pipelines.foundation.windows import Windows

_CHUNK = 512

Floats = npt.NDArray[np.float64]


def scores_of(model: FoundationModel, windows: Windows, picks: Ints, bars: int | None = None) -> Floats:
    """CRPS of single windows, of the model and of the trivial forecast.

    Parameters
    ----------
    model
        Model to judge; on any device.
    windows
        Windows of the model's own context and horizon.
    picks
        (n, 2) picks.
    bars
        As in `window_scores`.

    Returns
    -------
    (n, 2) float64
        Means over horizon and variables; NaN where no truth is known.
    """
    parts = []
    for start in range(0, len(picks), _CHUNK):
        scores = window_scores(model, windows.batch(picks[start : start + _CHUNK]), bars)
        parts.append(torch.stack([part.nanmean(1) for part in scores], dim=1).double().cpu().numpy())
    return np.concatenate([np.empty((0, 2)), *parts])


def shortfalls(scores: Floats, groups: Sequence[str]) -> Floats:
    """Share of what the trivial forecast loses that a model loses on each window: 1 - their mean is skill.

    Window by window the trivial forecast may lose next to nothing, so it is its mean over the group that
    divides.

    Parameters
    ----------
    scores
        (n, 2) as `scores_of` gives them.
    groups
        (n,) group of each window.

    Returns
    -------
    (n,) float64
        The mean over a group's windows is 1 - skill of the group.
    """
    names = np.asarray(groups)
    out = np.full(len(scores), np.nan)
    for name in np.unique(names):
        here = names == name
        out[here] = scores[here, 0] / np.nanmean(scores[here, 1])
    return out


def laid_out(picks: Mapping[Group, Ints]) -> tuple[Ints, list[str]]:
    """Lay picks by exchange and frequency end to end: (n, 2) picks, and the group of each, as "XNYS 1d"."""
    names = [f"{exchange} {freq}" for (exchange, freq), chosen in picks.items() for _ in chosen]
    return np.concatenate([np.empty((0, 2), np.int64), *picks.values()]), names


def days_of(windows: Windows, picks: Ints) -> Ints:
    """Day of the first bar that each window forecasts, in days since 1970: (n,)."""
    out = np.empty(len(picks), dtype=np.int64)
    for at in np.unique(picks[:, 0]):
        mine = picks[:, 0] == at
        ts = windows.ts(int(at))
        out[mine] = ts[np.minimum(picks[mine, 1] + 1, len(ts) - 1)] // DAY
    return out


def reach_of(windows: Windows, picks: Ints, horizon: int, days: Ints) -> float:
    """Days among those judged that the longest horizon covers: over them differences depend on each other."""
    longest = 1.0
    there = np.unique(days)
    for at in np.unique(picks[:, 0]):
        ts = windows.ts(int(at))
        rows = picks[picks[:, 0] == at, 1]
        first, last = (
            ts[np.minimum(rows + 1, len(ts) - 1)] // DAY,
            ts[np.minimum(rows + horizon, len(ts) - 1)] // DAY,
        )
        covered = np.searchsorted(there, last, side="right") - np.searchsorted(there, first)
        longest = max(longest, float(np.median(covered)))
    return longest
