"""In how many of the markets a family beats the naive forecast.

What does not belong here: skill in one market (`foundation/quality/metrics.py`).

Markets are not independent: what happens on a day happens to many of them. So days are drawn, in blocks, and
with a day all that every market has of it; the share is counted anew in each sample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.bootstrap import resampled_rows, times_drawn
from lim_pipelines.foundation.quality.metrics import MEAN_BLOCK, RESAMPLES
from lim_pipelines.universality.families import CELL

Floats = npt.NDArray[np.float64]

_LEVEL = 0.95
_SEED = 20260101
_LEAST_DATES = 5


class Share(NamedTuple):
    """Share of markets.

    Parameters
    ----------
    value, low, high
        Share with a skill above zero, and its 95 % interval; NaN with fewer than 5 days.
    cells
        Markets.
    """

    value: float
    low: float
    high: float
    cells: int


def share(scores: pl.DataFrame, forecaster: str, against: str, target: str) -> Share | None:
    """Count the markets in which a forecaster beats another; None where there are none.

    Parameters
    ----------
    scores
        As from `families.answers`.
    forecaster, against
        Names of forecasters.
    target
        One of `quality.targets.TARGETS`.
    """
    score = pl.col(f"crps_{target}")
    rows = scores.filter(pl.col("forecaster").is_in([forecaster, against]) & score.is_finite())
    both = rows.pivot("forecaster", index=["window", "ts", *CELL], values=f"crps_{target}")
    if forecaster not in both.columns or against not in both.columns:
        return None
    both = both.drop_nulls([forecaster, against])
    if both.is_empty():
        return None
    days, cells = (
        both.select(one.rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()
        for one in (pl.col("ts").dt.date(), pl.struct(CELL))
    )
    sums = np.zeros((int(days.max()) + 1, int(cells.max()) + 1, 2))
    np.add.at(sums, (days, cells), both.select(forecaster, against).to_numpy().astype(np.float64))
    total = sums.shape[1]
    value = float(_beaten(sums.sum(0)))
    if len(sums) < _LEAST_DATES:
        return Share(value, float("nan"), float("nan"), total)
    rows_drawn = resampled_rows(len(sums), RESAMPLES, MEAN_BLOCK, np.random.default_rng(_SEED))
    drawn = (times_drawn(rows_drawn) @ sums.reshape(len(sums), -1)).reshape(RESAMPLES, total, 2)
    low, high = np.quantile(_beaten(drawn), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Share(value, float(low), float(high), total)


def _beaten(sums: Floats) -> Floats:
    """Share of the cells (..., G, 2) that are there in which the first loses less than the second."""
    there = sums[..., 1] > 0
    return np.asarray((there & (sums[..., 0] < sums[..., 1])).sum(-1) / there.sum(-1))
