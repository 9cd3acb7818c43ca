"""Ragged contexts in full rows: short histories share a row instead of being padded to the whole context.

What does not belong here: keeping the windows of a row apart, which the model does (`Inputs.window`), and
what is asked of them (`objective.py`).

First-fit decreasing (Johnson 1973; for sequences Krell et al. 2021, Efficient sequence packing without
cross-contamination). A packed step learns the same from the same windows as a padded one, in fewer rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.model import Inputs
from lim_pipelines.foundation.series import Floats, Ints
from lim_pipelines.foundation.windows import WindowBatch

WORTH = 0.85
"""Rows over windows from which on packing does not pay: a packed row needs a mask, which costs some."""


def inputs_of(batch: WindowBatch, config: FoundationConfig) -> tuple[Inputs, Tensor]:
    """Make tensors of a training batch, packed where that saves enough rows.

    Contexts with coarser bars before them and the objective that reads from both sides are never packed.

    Parameters
    ----------
    batch
        B windows.
    config
        Patch and objective.

    Returns
    -------
    tuple
        Inputs, and what follows: (B, L_Y, p), or of packed rows (R, W, L_Y, p).
    """
    if batch.coarse is None and config.objective != "masked":
        sizes = patches_of(batch.values, config.patch)
        room = batch.values.shape[1] // config.patch
        if sizes.sum() <= WORTH * room * len(sizes):
            row, start = first_fit(sizes, room)
            if row.max() + 1 <= WORTH * len(sizes):
                return _laid(batch, sizes, row, start, config.patch)
    return Inputs.of(batch), torch.from_numpy(batch.future)


def patches_of(values: Floats, patch: int) -> Ints:
    """Count the patches of each window (B, L, p) from its first value to its end; 1 at least."""
    batch, length, _ = values.shape
    shown = np.isfinite(values).reshape(batch, length // patch, -1).any(axis=2)
    last = np.arange(length // patch) == length // patch - 1
    sizes: Ints = length // patch - (shown | last).argmax(axis=1)
    return sizes


def first_fit(sizes: Ints, room: int) -> tuple[Ints, Ints]:
    """Place windows in rows, the longest first, each in the first row that has room.

    Parameters
    ----------
    sizes
        (B,) patches of each window, at most `room`.
    room
        Patches of a row.

    Returns
    -------
    row, start
        (B,) row of each window, and its first patch there.
    """
    free = np.full(len(sizes), room)
    row, start = np.empty_like(sizes), np.empty_like(sizes)
    for one in np.argsort(-sizes, kind="stable").tolist():
        at = int((free >= sizes[one]).argmax())
        row[one], start[one] = at, room - free[at]
        free[at] -= sizes[one]
    return row, start


def _laid(batch: WindowBatch, sizes: Ints, row: Ints, start: Ints, patch: int) -> tuple[Inputs, Tensor]:
    count, length, _ = batch.values.shape
    n, rows = length // patch, int(row.max()) + 1
    # Number of each window within its row, in the order of the row.
    order = np.lexsort((start, row))
    sorted_rows = row[order]
    number = np.empty_like(row)
    number[order] = np.arange(count) - np.searchsorted(sorted_rows, sorted_rows)
    window = np.repeat(np.arange(count), sizes)
    within = np.arange(len(window)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    source = window, (n - sizes)[window] + within
    target = row[window], start[window] + within

    def moved(parts: npt.NDArray[np.generic], empty: float) -> Tensor:
        patches = parts.reshape(count, n, patch, -1)
        out = np.full((rows, *patches.shape[1:]), empty, dtype=parts.dtype)
        out[target] = patches[source]
        return torch.from_numpy(out.reshape(rows, length, -1))

    def told(values: Ints, empty: int) -> Tensor:
        out = np.full((rows, n), empty, dtype=np.int64)
        out[target] = values[window]
        return torch.from_numpy(out)

    # What is left of a row is a window of its own, in which nothing is seen.
    mine = told(number, int(number.max()) + 1)
    future = np.full((rows, int(number.max()) + 1, *batch.future.shape[1:]), np.nan, dtype=np.float32)
    future[row, number] = batch.future
    inputs = Inputs(
        values=moved(batch.values, np.nan),
        calendar=moved(batch.calendar, 0.0),
        freq=told(batch.freq, 0),
        asset_class=told(batch.asset_class, 0),
        piece=mine,
        window=mine,
    )
    return inputs, torch.from_numpy(future)
