"""Ridge regression on lags and on volatilities of several memories (HAR; Corsi 2009), pooled over series.

What does not belong here: what is regressed and how paths come of it (`pooled.py`).
"""

from __future__ import annotations

import math

import numpy as np

from lim_pipelines.foundation.baselines.paths import CLOSE, VOLUME, Array, column, mean_of, size_of
from lim_pipelines.foundation.baselines.pooled import Pooled, Regression, Scales
from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.series import CALENDAR, CYCLES, VARIABLES, Ints
from lim_pipelines.foundation.windows import WindowBatch
from lim_pipelines.instruments import ASSET_CLASSES

_RETURNS, _VOLUMES = 32, 16  # lags
_MEMORIES = (1, 5, 22, 64, 10_000)  # bars; the last is the whole context
_PENALTIES = tuple(10.0**power for power in range(-4, 3))  # over the number of windows
_CLIP = 5.0
_HIGH, _LOW = VARIABLES.index("high"), VARIABLES.index("low")


class Ridge(Pooled):
    """Linear in the context; the penalty is chosen on stretches of time that were left out."""

    name = "ridge"
    per_bar = True

    def features(self, batch: WindowBatch, scales: Scales) -> Array:
        """Lags, logs of volatilities and ranges, volumes, calendar, which frequency and class: (B, f)."""
        values = batch.values
        returns, volumes = column(values, CLOSE), column(values, VOLUME)
        ranges = column(values, _HIGH) - column(values, _LOW)
        size = np.where(scales.size > 0, scales.size, np.nan)
        on_scale = returns / size[:, None]
        levels = ((volumes - scales.mean[:, None]) / scales.spread[:, None]).clip(-_CLIP, _CLIP)
        logs = [np.log(np.maximum(size_of(on_scale[:, -m:]), 0.05)) for m in _MEMORIES]
        logs += [np.log(np.maximum(mean_of(ranges[:, -m:]) / size, 0.05)) for m in _MEMORIES]
        means = [mean_of(levels[:, -m:]) for m in _MEMORIES]
        parts = [
            _lags(on_scale.clip(-_CLIP, _CLIP), _RETURNS),
            np.abs(_lags(on_scale.clip(-_CLIP, _CLIP), 5)),
            _lags(levels, _VOLUMES),
            np.stack([*logs, *means, np.log(size), np.log(scales.spread)], axis=1),
            calendar_features(batch),
            (batch.freq[:, None] == np.arange(len(FREQS))).astype(np.float64),
            (batch.asset_class[:, None] == np.arange(len(ASSET_CLASSES))).astype(np.float64),
        ]
        return np.concatenate(parts, axis=1)

    def regress(self, features: Array, targets: Array, blocks: Ints) -> Regression:
        """Fit by the penalty that leaves least on left-out stretches."""
        folds = [blocks == block for block in np.unique(blocks)]
        errors = np.zeros(len(_PENALTIES))
        for held in folds if len(folds) > 1 else []:
            fitted = _solve(features[~held], targets[~held], _PENALTIES)
            errors += [((say(features[held]) - targets[held]) ** 2).sum() for say in fitted]
        best = int(errors.argmin()) if len(folds) > 1 else len(_PENALTIES) // 2
        return _solve(features, targets, (_PENALTIES[best],))[0]


def calendar_features(batch: WindowBatch) -> Array:
    """Calendar of the last context bar, cycles as sine and cosine too: (B, 14)."""
    last = batch.calendar[:, -1].astype(np.float64)
    angle = 2 * math.pi * last[:, [CALENDAR.index(name) for name in CYCLES]]
    return np.concatenate([last, np.sin(angle), np.cos(angle)], axis=1)


def _lags(values: Array, number: int) -> Array:
    """Return the last values, (B, number); NaN before the context begins."""
    short = max(0, number - values.shape[1])
    return np.pad(values[:, -number:], ((0, 0), (short, 0)), constant_values=np.nan)


def _solve(features: Array, targets: Array, penalties: tuple[float, ...]) -> list[Regression]:
    """Ridge solutions of several penalties from one decomposition; what is unknown is taken for its mean."""
    centre = np.nan_to_num(mean_of(features.T))
    spread = np.nan_to_num(size_of((features - centre).T))
    spread[spread < 1e-9] = np.inf  # a constant says nothing
    middle = targets.mean(axis=0)

    def standard(rows: Array) -> Array:
        out: Array = np.nan_to_num((rows - centre) / spread).clip(-10, 10)
        return out

    x = standard(features)
    roots, axes = np.linalg.eigh(x.T @ x / len(x))
    along = axes.T @ (x.T @ (targets - middle)) / len(x)

    def solution(penalty: float) -> Regression:
        weights = axes @ (along / (roots + penalty)[:, None])
        return lambda rows: middle + standard(rows) @ weights

    return [solution(penalty) for penalty in penalties]
