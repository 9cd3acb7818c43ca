"""What baselines have in common that learn one function of the context from many windows.

What does not belong here: features (`ridge.py`, `alpha158.py`), regressions (`ridge.py`, `lightgbm.py`).

Three things are learned, all on the scale of the window's own last bars: the mean of the returns, the log of
their volatility over the horizon, the mean of volume. Paths are what is left of other windows, whole horizons
at a time: so volatility clusters within a path, and how wrong the forecast of volatility tends to be is in
the paths' spread. What is left is measured on stretches of time that the function was not fitted on, because
a function that is flexible enough leaves nothing where it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.baselines.paths import (
    CLOSE,
    VOLUME,
    Array,
    Mask,
    assemble,
    column,
    mean_of,
    size_of,
)
from lim_pipelines.foundation.series import Floats, Ints
from lim_pipelines.foundation.windows import WindowBatch, Windows

Regression = Callable[[Array], Array]

_RECENT = 64  # bars that the scale is measured on
_MOST = 20_000  # windows to learn from
_POOL = 2_000  # left-over horizons kept of a frequency
_FOLDS = 3
_CHUNK = 2_048
_CLIP = 5.0  # of scaled returns in the regression of the mean, which one crash would else decide
_LEAST_LOG = -3.0  # log of volatility over the scale, of horizons in which nothing moved
_LEAST_SPREAD = 0.01  # of volume


class Scales(NamedTuple):
    """What a window's values are measured on.

    Parameters
    ----------
    size
        (B,) root mean square of the last returns; NaN where the context shows none.
    mean, spread
        (B,) of the last volumes.
    """

    size: Array
    mean: Array
    spread: Array

    @classmethod
    def of(cls, values: Floats) -> Scales:
        """Measure contexts (B, L, p)."""
        recent = values[:, -_RECENT:]
        returns, volumes = column(recent, CLOSE), column(recent, VOLUME)
        mean = mean_of(volumes)
        spread = np.maximum(size_of(volumes - mean[:, None]), _LEAST_SPREAD)
        return cls(size_of(returns), mean, spread)


class _Learned(NamedTuple):
    """Mean returns (B, H or 1), log volatility (B, 1) and volume (B, H or 1), each a function of features."""

    close: Regression
    volatility: Regression
    volume: Regression | None


class Pooled(ABC):
    """A regression over windows of all series, and what it leaves.

    Attributes
    ----------
    per_bar : bool
        Whether each bar of the horizon has a regression of its own, or all have one.
    """

    name: str
    per_bar: bool

    def __init__(self) -> None:
        self._learned: _Learned | None = None

    @abstractmethod
    def features(self, batch: WindowBatch, scales: Scales) -> Array:
        """Describe contexts, (B, f); NaN where unknown."""

    @abstractmethod
    def regress(self, features: Array, targets: Array, blocks: Ints) -> Regression:
        """Fit targets (n, q) to features (n, f); `blocks` (n,) are stretches of time, for validation."""

    def fit(self, store: Windows, picks: Ints) -> None:
        """See `base.Forecaster.fit`.

        Raises
        ------
        ValueError
            No window shows its context and its horizon.
        """
        chosen = picks[np.unique(np.linspace(0, len(picks) - 1, min(len(picks), _MOST)).astype(np.int64))]
        features, close, volume, freq = self._gather(store, chosen)
        blocks = _blocks(chosen)
        moving, traded = ~np.isnan(close.sum(axis=1)), ~np.isnan(volume.sum(axis=1))
        if moving.sum() < _FOLDS:
            raise ValueError(
                f"{self.name}: {int(moving.sum())} of {len(picks)} windows show returns in context and"
                " horizon; load more history or ask for a shorter horizon"
            )
        self._horizon = close.shape[1]
        left = np.full((2, *close.shape), np.nan)
        for block in np.unique(blocks):
            held: Mask = np.equal(blocks, block)
            rest: Mask = ~held
            if (rest & moving).sum() < _FOLDS:  # one stretch is all there is: what is left of itself
                rest = np.ones_like(rest)
            learned = self._learn(features, close, volume, blocks, rest & moving, rest & traded)
            mean, log_size, level = self._say(learned, features[held])
            left[0, held] = (close[held] - mean) / np.exp(log_size)
            left[1, held] = volume[held] - level
        self._left_close, self._left_volume = (_pools(part, freq) for part in left)
        self._learned = self._learn(features, close, volume, blocks, moving, traded)

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """See `base.Forecaster.sample`.

        Raises
        ------
        ValueError
            Nothing was fitted, or a shorter horizon.
        """
        rng = np.random.default_rng(seed)
        scales = Scales.of(batch.values)
        mean, log_size, level = self._asked(batch, scales, horizon)
        noise, error = (
            _drawn(pools, batch.freq, count, rng)[:, :, :horizon]
            for pools in (self._left_close, self._left_volume)
        )
        close = scales.size[:, None] * (mean + np.exp(log_size) * noise)
        volume = scales.mean[:, None] + scales.spread[:, None] * (level + error)
        return assemble(close, volume, batch.values.shape[2])

    def expected(self, batch: WindowBatch, horizon: int) -> Floats:
        """See `base.Expecting.expected`; refuses what `sample` refuses."""
        scales = Scales.of(batch.values)
        mean, log_size, _ = self._asked(batch, scales, horizon)
        left = np.full_like(mean, np.nan)
        for one in np.unique(batch.freq):
            pool = _pool_of(self._left_close, int(one))
            if len(pool):
                left[batch.freq == one] = pool[:, :horizon].mean(axis=0)
        out: Floats = (scales.size[:, None] * (mean + np.exp(log_size) * left)).astype(np.float32)
        return out

    def _asked(self, batch: WindowBatch, scales: Scales, horizon: int) -> tuple[Array, Array, Array]:
        """Say what `_say` says, of new windows, (B, horizon) each."""
        if self._learned is None or horizon > self._horizon:
            known = "nothing" if self._learned is None else f"{self._horizon} bars"
            raise ValueError(
                f"{self.name} was fitted on {known}, asked for {horizon}: fit it on windows of that horizon"
            )
        mean, log_size, level = self._say(self._learned, self.features(batch, scales))
        return mean[:, :horizon], log_size[:, :horizon], level[:, :horizon]

    def _gather(self, store: Windows, picks: Ints) -> tuple[Array, Array, Array, Ints]:
        """Features, scaled returns and volumes of the horizons, frequencies."""
        parts = []
        for start in range(0, len(picks), _CHUNK):
            batch = store.batch(picks[start : start + _CHUNK])
            scales = Scales.of(batch.values)
            size = np.where(scales.size > 0, scales.size, np.nan)[:, None]
            close = column(batch.future, CLOSE) / size
            volume = (column(batch.future, VOLUME) - scales.mean[:, None]) / scales.spread[:, None]
            parts.append((self.features(batch, scales), close, volume, batch.freq))
        features, close, volume, freq = (np.concatenate(part) for part in zip(*parts, strict=True))
        return features, close, volume, freq

    def _learn(
        self, features: Array, close: Array, volume: Array, blocks: Ints, moving: Mask, traded: Mask
    ) -> _Learned:
        def one(targets: Array, rows: Mask) -> Regression:
            return self.regress(features[rows], targets[rows], blocks[rows])

        clipped, levels = close.clip(-_CLIP, _CLIP), volume
        if not self.per_bar:
            clipped, levels = (part.mean(axis=1, keepdims=True) for part in (clipped, levels))
        with np.errstate(divide="ignore"):
            log_size = 0.5 * np.log((close**2).mean(axis=1, keepdims=True))
        return _Learned(
            close=one(clipped, moving),
            volatility=one(log_size.clip(min=_LEAST_LOG), moving),
            volume=one(levels, traded) if traded.sum() >= _FOLDS else None,
        )

    def _say(self, learned: _Learned, features: Array) -> tuple[Array, Array, Array]:
        """Mean returns (B, H), log volatility (B, H) and volume (B, H), all on the windows' scales."""
        shape = (len(features), self._horizon)
        nothing = np.full(shape, np.nan)
        level = nothing if learned.volume is None else np.broadcast_to(learned.volume(features), shape)
        close, volatility = learned.close(features), learned.volatility(features)
        return np.broadcast_to(close, shape), np.broadcast_to(volatility, shape), level


def _blocks(picks: Ints) -> Ints:
    """Which stretch of its series' time each pick is from, 0 .. `_FOLDS` - 1, (n,)."""
    out = np.zeros(len(picks), dtype=np.int64)
    order = np.lexsort((picks[:, 1], picks[:, 0]))
    ordered = picks[order, 0]
    first = np.searchsorted(ordered, ordered, side="left")
    number = np.searchsorted(ordered, ordered, side="right") - first
    out[order] = (np.arange(len(picks)) - first) * _FOLDS // number
    return out


def _pools(left: Array, freq: Ints) -> dict[int, Array]:
    """Whole left-over horizons of each frequency, and of all (-1)."""
    whole = np.isfinite(left).all(axis=1)
    groups = {-1: whole} | {int(one): whole & (freq == one) for one in np.unique(freq)}
    pools = {}
    for one, rows in groups.items():
        at = np.flatnonzero(rows)
        pools[one] = left[at[np.unique(np.linspace(0, len(at) - 1, min(len(at), _POOL)).astype(np.int64))]]
    return pools


def _pool_of(pools: dict[int, Array], freq: int) -> Array:
    """Left-over horizons of a frequency; of all where it has none."""
    own = pools.get(freq, pools[-1])
    return own if len(own) else pools[-1]


def _drawn(
    pools: dict[int, Array], freq: npt.NDArray[np.int64], count: int, rng: np.random.Generator
) -> Array:
    """Draw a left-over horizon for each path, (count, B, H); NaN where there are none."""
    horizon = pools[-1].shape[1]
    out = np.full((count, len(freq), horizon), np.nan)
    for one in np.unique(freq):
        rows = np.flatnonzero(freq == one)
        pool = _pool_of(pools, int(one))
        if len(pool):
            out[:, rows] = pool[rng.integers(len(pool), size=(count, len(rows)))]
    return out
