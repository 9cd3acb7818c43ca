"""Training windows, some of them changed: merged bars, noise, blends, simulated ones (`config.Augment`).

What does not belong here: drawing windows (`sampler.py`), simulating (`synthetic.py`), hiding patches, which
the model does (`patching.py`).

A change touches context and horizon alike, as if the market had been so. It is a function of the seed and of
the row in the step's whole batch, so a resumed run and a process among many change the same rows alike.
Blends take their partner from the same batch: training windows all, so nothing that is held out comes in.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.coarse import Coarse
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.scaling import NATURAL_ZERO
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Floats, Ints
from lim_pipelines.foundation.synthetic import paths
from lim_pipelines.foundation.windows import WindowBatch, Windows

NOISE = 0.05
"""Standard deviation of the jitter, over the window's own spread."""

LONGEST_MERGE = 4
DIRICHLET = 1.5
"""Concentration of the weights of a blend (Ansari et al. 2024, Chronos, algorithm 1, for two series)."""

_STREAM = 41  # of its own: the same seed draws the windows, too
_PATHS, _EXTRA = 128, 1024
_POOL = 1 << 18
_CLOSE, _OPEN, _HIGH, _LOW, _VOLUME = (
    VARIABLES.index(name) for name in ("close", "open", "high", "low", "volume")
)
_GAP = CALENDAR.index("gap")
_NORMAL = 1.2533141  # as in `scaling.py`: a standard deviation over a mean absolute one
_CENTRED = np.array([name not in NATURAL_ZERO for name in VARIABLES])
Bools = npt.NDArray[np.bool_]


class Augmenter:
    """Gathers training windows and changes the shares of them that a configuration asks for.

    Parameters
    ----------
    windows
        Series that windows are gathered from.
    config
        Shares of changes; context, horizon and patch.
    """

    def __init__(self, windows: Windows, config: FoundationConfig) -> None:
        self._windows, self._config = windows, config
        shares = config.augment
        self._shares = np.array([shares.synthetic, shares.mixup, shares.time_scale, shares.jitter])
        most = (config.context + config.horizon) // (config.horizon + config.patch)
        self._merges = range(2, min(LONGEST_MERGE, most) + 1)

    def batch(self, picks: Ints, rows: Ints, *seed: int) -> WindowBatch:
        """Gather some windows of a step, changed where chance will have it.

        Parameters
        ----------
        picks
            (n, 2) all windows of the step.
        rows
            (B,) positions in `picks` of those that are wanted.
        seed
            The run's seed and the step.
        """
        batch = self._windows.batch(picks[rows])
        if not self._shares.any():
            return batch
        rng = np.random.default_rng([*seed, _STREAM])
        # Drawn for the whole step, whoever asks for which rows.
        changed = (rng.random((len(picks), 4)) < self._shares)[rows]
        number, start = rng.random(len(picks))[rows], rng.integers(_POOL, size=len(picks))[rows]
        share, partner = rng.beta(DIRICHLET, DIRICHLET, len(picks))[rows], self._partners(picks, rng)[rows]
        synthetic, mixed, merged, noisy = changed.T
        mixed = mixed & ~synthetic
        whole = np.concatenate([batch.values, batch.future], axis=1)
        calendar = batch.calendar
        if synthetic.any():
            whole[synthetic] = self._simulated(whole[synthetic], start[synthetic])
        if mixed.any():
            other = self._windows.batch(picks[partner[mixed]])
            others = np.concatenate([other.values, other.future], axis=1)
            whole[mixed] = blended(whole[mixed], others, share[mixed])
        if merged.any() and self._merges:
            factor = self._merges[0] + (number * len(self._merges)).astype(np.int64)
            calendar = calendar.copy()
            for one in self._merges:
                if (at := merged & (factor == one)).any():
                    whole[at], calendar[at] = self._merged(whole[at], calendar[at], one)
        if noisy.any():
            whole[noisy] = jittered(whole[noisy], self._noise(start[noisy], whole.shape[1]))
        return batch._replace(
            values=whole[:, : self._config.context],
            future=whole[:, self._config.context :],
            calendar=calendar,
            coarse=_without(batch, synthetic | mixed),
        )

    def _partners(self, picks: Ints, rng: np.random.Generator) -> Ints:
        """For each window another one of the step of the same frequency and asset class, or itself."""
        kinds = [(self._windows.freq[at], self._windows.asset_class[at]) for at in picks[:, 0].tolist()]
        known = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
        kind = np.array([known[one] for one in kinds])
        order, size = np.argsort(kind, kind="stable"), np.bincount(kind)
        within = (rng.random(len(picks)) * size[kind]).astype(np.int64)
        partners: Ints = order[(np.cumsum(size) - size)[kind] + within]
        return partners

    def _simulated(self, whole: Floats, start: Ints) -> Floats:
        """Put simulated values on the level and spread of real windows, missing where those are."""
        length = whole.shape[1]
        rows = start % _EXTRA
        shown = self._bank[start % _PATHS][np.arange(len(start))[:, None], rows[:, None] + np.arange(length)]
        location, spread = _level(whole)
        # A bar's range and its opening are told in the units of its return.
        spread = np.where(np.arange(len(VARIABLES)) == _VOLUME, spread, spread[..., [_CLOSE]])
        location = np.where(np.arange(len(VARIABLES)) == _VOLUME, location, 0.0)
        return np.where(np.isnan(whole), np.nan, shown * spread + location).astype(np.float32)

    def _merged(self, whole: Floats, calendar: Floats, factor: int) -> tuple[Floats, Floats]:
        """Merge bars from the end; what comes too short on the left is missing."""
        context, horizon = self._config.context, self._config.horizon
        bars = merged_bars(whole, factor)
        out = np.full_like(whole, np.nan)
        out[:, -bars.shape[1] :] = bars
        kept = bars.shape[1] - horizon
        last = whole.shape[1] - factor * horizon  # behind the last bar of the merged context
        before = calendar[:, last - kept * factor : last]
        before = before.reshape(len(whole), kept, factor, before.shape[-1])
        times = np.zeros_like(calendar)
        times[:, context - kept :] = before[:, :, -1]
        times[:, context - kept :, _GAP] = np.log(np.exp(before[..., _GAP]).mean(axis=2))
        return out, times

    def _noise(self, start: Ints, length: int) -> Floats:
        at = start[:, None] + np.arange(length * len(VARIABLES))
        noise: Floats = self._pool[at % _POOL].reshape(len(start), length, len(VARIABLES))
        return noise

    @cached_property
    def _bank(self) -> Floats:
        length = self._config.context + self._config.horizon + _EXTRA
        return paths(_PATHS, length, self._config.seed)

    @cached_property
    def _pool(self) -> Floats:
        return np.random.default_rng(_STREAM).standard_normal(_POOL, dtype=np.float32)


def merged_bars(values: Floats, factor: int) -> Floats:
    """Merge every `factor` bars, counted from the end, as a vendor of longer bars would.

    Parameters
    ----------
    values
        (B, T, p) in original units, the columns of `VARIABLES`.
    factor
        Bars that make one.

    Returns
    -------
    (B, T // factor, p) float32
        Returns and volumes added, the first open, highest high and lowest low; NaN where any bar misses it.
    """
    kept = values.shape[1] // factor
    bars = values[:, values.shape[1] - kept * factor :].reshape(len(values), kept, factor, -1)
    path = bars[..., _CLOSE].cumsum(axis=2)
    close = path[:, :, -1]
    columns = {
        "close": close,
        "open": bars[:, :, 0, _OPEN],
        "high": (path + bars[..., _HIGH]).max(axis=2) - close,
        "low": (path + bars[..., _LOW]).min(axis=2) - close,
        "volume": np.log1p(np.expm1(bars[..., _VOLUME]).sum(axis=2)),
    }
    return np.stack([columns[name] for name in VARIABLES], axis=2)


def blended(values: Floats, others: Floats, share: npt.NDArray[np.float64]) -> Floats:
    """Blend windows with others on their scales, and put the result on the first one's scale.

    Parameters
    ----------
    values, others
        (B, T, p) in original units. What only the other window misses is the first one's alone.
    share
        (B,) of the first.
    """
    (location, spread), (of_other, spread_of_other) = _level(values), _level(others)
    weight = share[:, None, None]
    one, other = (values - location) / spread, (others - of_other) / spread_of_other
    mixed = weight * one + (1 - weight) * other
    return np.where(np.isnan(mixed), values, mixed * spread + location).astype(np.float32)


def jittered(values: Floats, noise: Floats) -> Floats:
    """Add noise of `NOISE` spreads to (B, T, p); highs and lows stay on their side of the close."""
    out = values + NOISE * _level(values)[1].astype(np.float32) * noise
    out[..., _HIGH] = np.maximum(out[..., _HIGH], 0)
    out[..., _LOW] = np.minimum(out[..., _LOW], 0)
    return out


def _level(values: Floats) -> tuple[Floats, Floats]:
    """Location and spread of each window and variable, (B, 1, p) each; NaN where there is none."""
    known = ~np.isnan(values)
    count = known.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        location = np.where(known, values, 0).sum(axis=1, keepdims=True) / count * _CENTRED
        spread = np.where(known, np.abs(values - location), 0).sum(axis=1, keepdims=True) / count * _NORMAL
    return location, np.where(spread > 0, spread, np.nan)


def _without(batch: WindowBatch, foreign: Bools) -> Coarse | None:
    """Coarser bars, missing where the window is no longer of their instrument."""
    if batch.coarse is None:
        return None
    values = np.where(foreign[:, None, None], np.nan, batch.coarse.values).astype(np.float32)
    return batch.coarse._replace(values=values)
