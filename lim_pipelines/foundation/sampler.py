"""Which windows a training step sees, and which a validation judges: drawn from series by group.

What does not belong here: cutting windows (`windows.py`), weights of groups (`mix.py`), changing windows
(`augment.py`).

Nothing depends on the order of calls: a draw is a function of its seed alone, so a run that was killed, and a
process among many, draw what an undisturbed run draws.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from lim_pipelines.foundation.config import Mix
from lim_pipelines.foundation.mix import Group, weights_of
from lim_pipelines.foundation.series import Ints
from lim_pipelines.foundation.windows import Span, Windows

_EVEN = Mix()


class WindowSampler:
    """Draws windows whose horizon lies in a span of time.

    A group (exchange, asset class, frequency) is drawn by its weight, then an instrument of it, then a window
    of that one, both evenly: 390 minutes a session do not drown one day a session, nor do long histories.

    Parameters
    ----------
    windows
        Series to draw from.
    horizon
        L_Y, in bars; the whole horizon must be there.
    patch
        Bars of the shortest context.
    span
        Time that the windows' horizons must lie in.
    mix
        Weights of groups. They say what is drawn, not what is counted or spread.
    left_out
        Positions of series that are never drawn: twins of others (`dedup.py`).
    recent_from
        Moment from which on bars are new to a training that goes on from a parent, microseconds, UTC; None
        without one.
    replay
        Share of drawn windows that forecast only bars before `recent_from`; the others forecast a newer bar
        at least. Where one of the two kinds does not exist, all are of the other.
    """

    def __init__(
        self,
        windows: Windows,
        *,
        horizon: int,
        patch: int,
        span: Span,
        mix: Mix = _EVEN,
        left_out: Collection[int] = (),
        recent_from: int | None = None,
        replay: float = 1.0,
    ) -> None:
        rows = []
        border = span.end if recent_from is None else recent_from
        for at in range(len(windows.length)):
            ts = windows.ts(at)
            # Row 0 has no return, so the shortest context is rows 1 to `patch`.
            low = max(patch, int(np.searchsorted(ts, span.start)))
            high = int(np.searchsorted(ts, span.end)) - horizon
            if high > low:
                rows.append((at, low, high, min(max(low, int(np.searchsorted(ts, border)) - horizon), high)))
        table = np.array(rows, dtype=np.int64).reshape(-1, 4)
        names = [(windows.exchange[at], windows.asset_class[at], windows.freq[at]) for at in table[:, 0]]
        self.groups: list[Group] = sorted(set(names))
        group = np.array([self.groups.index(name) for name in names], dtype=np.int64)
        order = np.argsort(group, kind="stable")
        self._rows, self._group = table[order][:, :3], group[order]
        drawn, where = table[order], self._group
        if left_out:
            kept = ~np.isin(drawn[:, 0], list(left_out))
            drawn, where = drawn[kept], where[kept]
        old, new = drawn[:, [0, 1, 3]], drawn[:, [0, 3, 2]]
        strata = [_Stratum.of(part, where, self.groups, mix) for part in (old, new)]
        self._strata = [stratum for stratum in strata if stratum.weights.any()]
        self._replay = replay if len(self._strata) == 2 else 1.0

    def __len__(self) -> int:
        """Distinct windows of the span, those that are never drawn among them."""
        return int((self._rows[:, 2] - self._rows[:, 1]).sum())

    @property
    def counts(self) -> Ints:
        """(G,) windows of each group, as `len` counts them."""
        out = np.zeros(len(self.groups), dtype=np.int64)
        np.add.at(out, self._group, self._rows[:, 2] - self._rows[:, 1])
        return out

    @property
    def shares(self) -> dict[Group, float]:
        """Share of draws that each group gets; empty where there is nothing to draw."""
        if not self._strata:
            return {}
        shares = self._replay * self._strata[0].weights + (1 - self._replay) * self._strata[-1].weights
        return dict(zip(self.groups, shares.tolist(), strict=True))

    def draw(self, count: int, *seed: int) -> Ints:
        """Draw windows at random; the same seed gives the same windows.

        Parameters
        ----------
        count
            Number of windows.
        seed
            Entropy, e.g. the run's seed and the step.

        Returns
        -------
        (count, 2) int64
            Picks.

        Raises
        ------
        ValueError
            There is nothing to draw.
        """
        if not self._strata:
            raise ValueError(
                f"no window to draw: of the groups {', '.join(map('/'.join, self.groups)) or '(none)'} the"
                f" mix leaves out all that have windows; raise a weight of Mix in"
                " lim_pipelines/foundation/config.py, or load more history"
            )
        rng = np.random.default_rng(seed)
        picks = self._strata[0].draw(count, rng)
        if len(self._strata) == 2:
            recent = rng.random(count) >= self._replay
            picks = np.where(recent[:, None], self._strata[1].draw(count, rng), picks)
        return picks

    def spread(self, count: int) -> dict[tuple[str, str], Ints]:
        """Windows at even distances, at most `count` of each (exchange, frequency): for validation.

        Returns
        -------
        dict
            (exchange, frequency) to (n, 2) picks; of all series, whatever the weights are.
        """
        out = {}
        places = [(exchange, freq) for exchange, _, freq in self.groups]
        for place in sorted(set(places)):
            members = [g for g, other in enumerate(places) if other == place]
            rows = self._rows[np.isin(self._group, members)]
            lengths = rows[:, 2] - rows[:, 1]
            total = int(lengths.sum())
            at = np.unique(np.linspace(0, total - 1, min(count, total)).astype(np.int64))
            which = np.searchsorted(np.cumsum(lengths), at, side="right")
            before = np.cumsum(lengths) - lengths
            out[place] = np.stack([rows[which, 0], rows[which, 1] + at - before[which]], axis=1)
        return out


class _Stratum(NamedTuple):
    """Windows by group, ready to be drawn: rows (series, first, behind the last), sorted by group."""

    rows: Ints
    first: Ints
    size: Ints
    weights: np.ndarray[tuple[int, ...], np.dtype[np.float64]]

    @classmethod
    def of(cls, rows: Ints, group: Ints, groups: list[Group], mix: Mix) -> _Stratum:
        there = rows[:, 2] > rows[:, 1]
        rows, group = rows[there], group[there]
        size = np.bincount(group, minlength=len(groups))
        counts = np.zeros(len(groups), dtype=np.int64)
        np.add.at(counts, group, rows[:, 2] - rows[:, 1])
        return cls(rows, np.cumsum(size) - size, size, weights_of(groups, counts, mix))

    def draw(self, count: int, rng: np.random.Generator) -> Ints:
        group = np.searchsorted(np.cumsum(self.weights), rng.random(count) * self.weights.sum(), side="right")
        # Sums of weights are rounded: the last group that has any is the last that is drawn.
        group = np.minimum(group, np.flatnonzero(self.weights)[-1])
        row = self.rows[self.first[group] + (rng.random(count) * self.size[group]).astype(np.int64)]
        end = row[:, 1] + (rng.random(count) * (row[:, 2] - row[:, 1])).astype(np.int64)
        return np.stack([row[:, 0], end], axis=1)
