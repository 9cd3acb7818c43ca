"""Gradient-boosted trees on the features of Alpha158 and the strategy's own: the non-linear control.

Of related instruments, where a task has any, it is given the same features as of the sample's own: a control
that is told less than the model is no control.

Labels are in units of each sample's scale, of a cross-section relative to the session's mean, as everywhere.
How many trees there are is decided on the purged validation tail, where the neural arms stop early.

What does not belong here: the features (`foundation/baselines/alpha158.py`), the forecaster of paths with the
same trees (`foundation/baselines/lightgbm.py`).

G. Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lim_pipelines.finetune.base import targets
from lim_pipelines.finetune.samples import Floats, Indices, Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation.baselines.alpha158 import NAMES, alpha158
from lim_pipelines.foundation.baselines.lightgbm import PATIENCE, ROUNDS, SETTINGS
from lim_pipelines.foundation.baselines.pooled import Scales
from lim_pipelines.foundation.windows import WindowStore

if TYPE_CHECKING:
    import lightgbm

MOST = 20_000
"""Rows that are fitted on, the newest of every so many: more cost minutes and tell trees little."""

_CONTEXT = 64  # bars; Alpha158 looks at 61 of them
_CHUNK = 2048


@dataclass(frozen=True)
class LightGbm:
    """Fitted trees; a `Forecaster`.

    Parameters
    ----------
    trees
        LightGBM's own text format.
    """

    trees: str

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        import lightgbm

        if not len(samples):
            return np.zeros((0, 1))
        booster = lightgbm.Booster(model_str=self.trees)
        return np.asarray(booster.predict(inputs(samples), num_threads=1), dtype=np.float64)[:, None]


def inputs(samples: Samples) -> Floats:
    """Features of N samples with K related instruments each, (N, 157 + 157 K + F).

    NaN where something is missing, which trees take as it is.
    """
    store = WindowStore(samples.series, _CONTEXT, 1)
    described = [_described(store, samples.picks)]
    for k in range(samples.others.shape[1]):
        there = samples.others[:, k, 1] >= 0
        beside = np.full((len(samples), len(NAMES)), np.nan)
        beside[there] = _described(store, samples.others[there, k])
        described.append(beside)
    return np.concatenate([*described, samples.features], axis=1)


def _described(store: WindowStore, picks: Indices) -> Floats:
    """Features of windows, (B, 157)."""
    parts = [np.zeros((0, len(NAMES)))]
    for start in range(0, len(picks), _CHUNK):
        values = store.batch(picks[start : start + _CHUNK]).values
        size = Scales.of(values).size
        parts.append(alpha158(values, np.where(size > 0, size, np.nan)))
    return np.concatenate(parts)


def fit(spec: ModelSpec, samples: Samples, split: Split) -> tuple[LightGbm, int]:
    """Fit on the split's rows; the number of trees is the best on its validation tail.

    Parameters
    ----------
    spec
        Task and horizon.
    samples
        Samples known at the cutoff.
    split
        Rows to fit on and to validate on.

    Returns
    -------
    tuple
        The forecaster and the number of its trees.
    """
    import lightgbm

    every = -(-len(split.fit) // MOST)
    fitted = _data(spec, samples.at(split.fit), every)
    held_out = _data(spec, samples.at(split.validation), 1)
    settings = SETTINGS | {"seed": 0, "min_data_in_leaf": min(100, max(5, len(split.fit) // every // 50))}
    trees = lightgbm.train(
        settings,
        fitted,
        ROUNDS,
        valid_sets=[held_out],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return LightGbm(trees.model_to_string(num_iteration=trees.best_iteration)), trees.best_iteration


def _data(spec: ModelSpec, samples: Samples, every: int) -> lightgbm.Dataset:
    """Features and labels of every so manieth sample, the last one among them."""
    import lightgbm

    # Of a cross-section the mean is that of all its samples, those that are left out too.
    label = targets(spec.task, samples) / samples.scale(spec.horizon)
    kept = np.arange(len(samples))[::-1][::every][::-1]
    return lightgbm.Dataset(inputs(samples.at(kept)), label[kept], free_raw_data=False)
