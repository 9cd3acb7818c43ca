"""The stationary bootstrap: resampling in blocks, because neighbouring days belong together.

What does not belong here: what is computed from the samples (`foundation/quality`, `evaluate`).

D. Politis and J. Romano (1994), The stationary bootstrap, Journal of the American Statistical Association 89.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def resampled_rows(
    days: int, resamples: int, mean_block: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Rows of stationary bootstrap samples, shape (resamples, days).

    Blocks start anywhere, have geometric lengths, and wrap around at the end.

    Parameters
    ----------
    days
        Rows to draw from, in order of time.
    resamples
        Samples to draw.
    mean_block
        Mean length of a block, in rows.
    rng
        Draws them.
    """
    starts = rng.integers(days, size=(resamples, days))
    new = rng.random((resamples, days)) < 1.0 / mean_block
    new[:, 0] = True
    position = np.arange(days)
    # Index of the last block start at or before each position.
    last = np.maximum.accumulate(np.where(new, position, 0), axis=1)
    return np.asarray((np.take_along_axis(starts, last, axis=1) + position - last) % days)


def times_drawn(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Count how often each sample has each day.

    Sums over samples are then a product of matrices: of whatever many records, in one go.

    Parameters
    ----------
    rows
        As from `resampled_rows`, shape (R, T).

    Returns
    -------
    numpy.ndarray
        Whole numbers, shape (R, T); each row adds up to T.
    """
    resamples, days = rows.shape
    flat = (rows + np.arange(resamples)[:, None] * days).ravel()
    counts = np.bincount(flat, minlength=resamples * days).reshape(resamples, days)
    return counts.astype(np.float64)
