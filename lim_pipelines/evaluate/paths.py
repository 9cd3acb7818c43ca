"""How much a result hangs on the one history there was: the linear control on every path through it.

Walking forward gives one record. Combinatorial folds (`splits.py`) give several whole ones, forecast by fits
that have not seen them; where their rank ICs lie far apart, so might that of the years to come. The control
is fitted because it knows nothing but the samples: a backbone was pretrained on what is held out here.

What does not belong here: decisions, and anything that is traded: fits see what came later.

M. Lopez de Prado (2018), Advances in Financial Machine Learning, section 12.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.evaluate.splits import combinatorial_folds, path_count
from lim_pipelines.finetune import ridge
from lim_pipelines.finetune.base import forecast, skill
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GROUPS, TESTED = 6, 2
"""The book's example: 15 fits, 5 paths."""

CHOOSES = 0.2
"""Share of the newest sessions fitted on that choose the penalty."""


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
