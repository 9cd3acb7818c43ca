"""Gradient-boosted trees on the features of Alpha158 (Ke et al. 2017, LightGBM), pooled over series.

What does not belong here: the features (`alpha158.py`), what is regressed and how paths come of it
(`pooled.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lim_pipelines.foundation.baselines.alpha158 import alpha158
from lim_pipelines.foundation.baselines.paths import Array
from lim_pipelines.foundation.baselines.pooled import Pooled, Regression, Scales
from lim_pipelines.foundation.baselines.ridge import calendar_features
from lim_pipelines.foundation.series import Ints
from lim_pipelines.foundation.windows import WindowBatch

ROUNDS = 200
PATIENCE = 20
SETTINGS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,  # the other way is chosen by a race of clocks
    "num_threads": 1,
    "verbosity": -1,
}
"""LightGBM's own names; the same wherever trees are a yardstick. At most `ROUNDS` trees, and no more once
`PATIENCE` of them did not help what is held out."""


class LightGbm(Pooled):
    """Boosted trees; how many is decided on the latest stretch of time.

    Parameters
    ----------
    seed
        Seed of the shares of features and windows that each tree sees.
    """

    name = "lightgbm"
    per_bar = False

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._settings = SETTINGS | {"seed": seed}

    def features(self, batch: WindowBatch, scales: Scales) -> Array:
        """Alpha158, the scale, the calendar, which frequency and class: (B, f)."""
        size = np.where(scales.size > 0, scales.size, np.nan)
        series = np.stack([np.log(size), scales.mean, scales.spread, batch.freq, batch.asset_class], axis=1)
        return np.concatenate([alpha158(batch.values, size), series, calendar_features(batch)], axis=1)

    def regress(self, features: Array, targets: Array, blocks: Ints) -> Regression:
        """Boost trees, as many as are best on the last block, then on all of them."""
        import lightgbm

        settings = self._settings | {"min_data_in_leaf": int(min(100, max(5, len(features) // 50)))}

        def data(rows: Any) -> Any:
            return lightgbm.Dataset(features[rows], targets[rows, 0], free_raw_data=False)

        rounds, held = ROUNDS // 2, blocks == blocks.max()
        if not held.all():
            stop = lightgbm.early_stopping(PATIENCE, verbose=False)
            valid = [data(held)]
            found = lightgbm.train(settings, data(~held), ROUNDS, valid_sets=valid, callbacks=[stop])
            rounds = found.best_iteration
        trees = lightgbm.train(settings, data(slice(None)), rounds)
        return lambda rows: np.asarray(trees.predict(rows), dtype=np.float64)[:, None]
