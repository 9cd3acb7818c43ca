"""Is one better than the other where both were judged on the same things: an interval of the mean difference.

What does not belong here: what is compared (`foundation/promotion.py`, `foundation/selection.py`).

Differences of one moment belong together, and so do those of neighbouring moments: moments are resampled in
blocks (`bootstrap.py`), each with all that it has. Pairing takes away what is hard or easy for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.bootstrap import resampled_rows, times_drawn

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RESAMPLES = 2000
LEVEL = 0.95
FEWEST_MOMENTS = 10
"""Below them there is no interval: resampling a handful of days says nothing about the next one."""

_SEED = 20180101
_FEWEST_BLOCKS = 5


@dataclass(frozen=True)
class Gain:
    """Mean of paired differences and its percentile interval.

    Parameters
    ----------
    mean, low, high
        In the units of the differences; `low` and `high` are NaN where there are too few moments.
    pairs, moments
        What they rest on.
    """

    mean: float
    low: float
    high: float
    pairs: int
    moments: int

    @property
    def better(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    @property
    def worse(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0


def paired(
    differences: Floats,
    moments: Ints,
    groups: Sequence[str],
    *,
    reach: float = 1.0,
    level: float = LEVEL,
    seed: int = _SEED,
) -> tuple[Gain, dict[str, Gain]]:
    """Mean difference over groups, each with the same weight, and of each group.

    Parameters
    ----------
    differences
        (n,) one better than the other by how much; NaN counts for nothing.
    moments
        (n,) when: pairs with the same number are drawn together. Numbers are in order of time.
    groups
        (n,) what each belongs to.
    reach
        Moments over which differences depend on each other, such as the length of overlapping horizons. Mean
        length of the blocks, but at least the cube root of the number of moments, and never so long that
        fewer than five fit: there the interval is too short.
    level
        Probability that an interval is to hold; one interval, not all of them at once.
    seed
        Seed of the resampling; the same data give the same interval.

    Returns
    -------
    tuple
        Over all; by group, in order of name.

    Raises
    ------
    ValueError
        Nothing to compare: no difference is a number.
    """
    known = np.isfinite(differences)
    if not known.any():
        raise ValueError("nothing to compare: none of the paired differences is a number")
    differences, moments = differences[known], moments[known]
    names, group = np.unique(np.asarray(groups)[known], return_inverse=True)
    times, moment = np.unique(moments, return_inverse=True)
    shape = (len(times), len(names))
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (moment, group), differences)
    np.add.at(counts, (moment, group), 1.0)
    means = sums.sum(0) / counts.sum(0)
    drawn = _resampled(sums, counts, reach, seed)
    by_group = {
        str(name): Gain(
            float(means[i]),
            *_ends(drawn[:, i], int((counts[:, i] > 0).sum()), level),
            pairs=int(counts[:, i].sum()),
            moments=int((counts[:, i] > 0).sum()),
        )
        for i, name in enumerate(names)
    }
    there = np.isfinite(drawn)
    overall = np.where(there, drawn, 0.0).sum(1) / there.sum(1)
    ends = _ends(overall, len(times), level)
    return Gain(float(means.mean()), *ends, pairs=len(differences), moments=len(times)), by_group


def _resampled(sums: Floats, counts: Floats, reach: float, seed: int) -> Floats:
    """Means of each group in each sample, (RESAMPLES, G); NaN where a sample has nothing of a group."""
    total = len(sums)
    block = max(1.0, min(max(reach, total ** (1 / 3)), total / _FEWEST_BLOCKS))
    rows = resampled_rows(total, RESAMPLES, block, np.random.default_rng(seed))
    times = times_drawn(rows)
    found = times @ counts
    out: Floats = np.divide(times @ sums, found, out=np.full_like(found, np.nan), where=found > 0)
    return out


def _ends(samples: Floats, moments: int, level: float) -> tuple[float, float]:
    samples = samples[np.isfinite(samples)]
    if moments < FEWEST_MOMENTS or not len(samples):
        return float("nan"), float("nan")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
