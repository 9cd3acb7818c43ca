"""How much a result hangs on the one history there was: the linear control on every path through it.

Walking forward gives one record. Combinatorial folds (`splits.py`) give several whole ones, forecast by fits
that have not seen them; where their rank ICs lie far apart, so might that of the years to come. The control
is fitted because it knows nothing but the samples: a backbone was pretrained on what is held out here.

What does not belong here: decisions, and anything that is traded: fits see what comes later.

M. Lopez de Prado (2018), Advances in Financial Machine Learning, section 12.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.evaluate.splits import combinatorial_folds, path_count
from lim_pipelines.finetune import champions, ridge, store
from lim_pipelines.finetune.base import forecast, skill
from lim_pipelines.finetune.plan import read_inputs
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake, Past, midnight
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GROUPS, TESTED = 6, 2
"""The book's example: 15 fits, 5 paths."""

CHOOSES = 0.2
"""Share of the newest sessions fitted on that choose the penalty."""


SCHEMA = {
    "strategy": pl.String(),
    "cutoff": pl.Date(),
    "sessions": pl.Int64(),
    **dict.fromkeys(("rank_ic_lowest", "rank_ic_median", "rank_ic_highest", "r2_median"), pl.Float64()),
}


@dataclass(frozen=True)
class Paths:
    """Skill of the linear control on each path, shape (P,).

    Parameters
    ----------
    rank_ic
        Spearman correlation of forecast and label over the path's samples.
    r2
        Share of the squared scaled label that the forecast explains; negative where it does worse than zero.
    """

    rank_ic: Floats
    r2: Floats


def paths_table(lake: Lake, models: Path, specs: Sequence[StrategySpec]) -> pl.DataFrame:
    """Paths of all strategies that have models, through what was known at the newest cutoff of each.

    Parameters
    ----------
    lake, models
        Where bars and models lie.
    specs
        All strategies.

    Returns
    -------
    pl.DataFrame
        One row a strategy: cutoff, sessions that samples were decided on, the lowest, median and highest rank
        IC of its paths, the median R2.
    """
    rows = []
    for spec in specs:
        cutoffs = checkpoint.cutoffs(models, spec.name)
        folder = champions.in_use(models, spec, cutoffs[-1]) if cutoffs else None
        if folder is None:
            continue
        meta = store.read_meta(folder)
        known = read_inputs(Past(lake, midnight(cutoffs[-1])), spec, cutoffs[-1])
        samples = TASKS[spec.task].samples(spec, *known, meta.selection)
        found = history_paths(spec, samples, meta.backbone.context)
        ends = (found.rank_ic.min(), np.median(found.rank_ic), found.rank_ic.max(), np.median(found.r2))
        sessions = samples.frame["date"].n_unique()
        rows.append((spec.name, cutoffs[-1], sessions, *(float(value) for value in ends)))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def history_paths(spec: ModelSpec, samples: Samples, context: int) -> Paths:
    """Forecast all of the history there is, several times over.

    Parameters
    ----------
    spec
        Task and horizon; an embargo of the horizon follows each group that is held out.
    samples
        Samples of one moment, those without a known label among them.
    context
        Lags; the backbone's L_X.

    Raises
    ------
    ValueError
        There are fewer sessions than groups.
    """
    samples = samples.at(np.flatnonzero(np.isfinite(samples.label)))
    decided, ends = _sessions(samples)
    said = np.full((path_count(GROUPS, TESTED), len(samples)), np.nan)
    for fold in combinatorial_folds(decided, ends, GROUPS, TESTED, spec.horizon):
        line = ridge.fit(spec, samples, _split(fold.fit, decided, ends), context)
        for rows, path in zip(fold.held_out, fold.paths, strict=True):
            said[path, rows] = forecast(spec, line, samples.at(rows))
    found = [skill(spec, path, samples) for path in said]
    return Paths(*(np.array([one[name] for one in found]) for name in ("rank_ic", "r2")))


def _sessions(samples: Samples) -> tuple[Ints, Ints]:
    """Numbers of the sessions that samples are decided on, and that their labels end with."""
    decided, ends = (samples.frame[name].to_numpy() for name in ("date", "label_end"))
    calendar = np.unique(np.concatenate([decided, ends]))
    return np.searchsorted(calendar, decided), np.searchsorted(calendar, ends)


def _split(fit: Ints, decided: Ints, ends: Ints) -> Split:
    """Leave the newest of the rows to the choice of the penalty, and purge what reaches into them."""
    sessions = np.unique(decided[fit])
    first = sessions[int(len(sessions) * (1 - CHOOSES))]
    return Split(fit[ends[fit] < first], fit[decided[fit] >= first], 0)
