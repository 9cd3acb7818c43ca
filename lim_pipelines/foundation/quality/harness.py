"""Walk-forward: everybody learns from what ended before a cutoff and is asked about what came behind it.

What does not belong here: who takes part (`entrants.py`), scores (`targets.py`, `metrics.py`).

    cutoffs C_0 < C_1 < ...; at C_i
        learn   windows whose horizons end before C_i (purged), of instruments that are not held out
        judge   windows whose contexts end in [C_i, C_i+1), whose horizons are all there, of all instruments

Held-out instruments are never learned from at any cutoff, whichever vendor or contract shows them; a held-out
exchange neither. They are judged beside the others and told apart by the column `shown`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
import polars as pl

from lim_pipelines.foundation.baselines.base import Expecting, Forecaster
from lim_pipelines.foundation.quality.targets import judged
from lim_pipelines.foundation.series import Ints, Series, iso
from lim_pipelines.foundation.windows import Windows, WindowStore

_END = 2**62
_LONGEST_GAP = 10 * 86_400_000_000
"""Microseconds; vendors' samples hold single days years apart. Nobody is asked to forecast across that."""

_CHUNK = 256  # windows sampled at once: 100 paths of them are some 10 MB


@dataclass(frozen=True)
class Plan:
    """What is asked.

    Parameters
    ----------
    cutoffs
        Moments, microseconds UTC, increasing.
    context, horizon
        L_X and L_Y in bars.
    moments
        Most moments of each (exchange, class, frequency) and cutoff at which windows end, evenly spread.
    names
        Most instruments judged at one moment.
    paths
        Paths drawn for each window.
    held_out
        Share of instruments that nobody learns from.
    held_exchanges
        Exchanges that nobody learns from.
    """

    cutoffs: tuple[int, ...]
    context: int = 128
    horizon: int = 16
    moments: int = 12
    names: int = 30
    paths: int = 100
    held_out: float = 0.2
    held_exchanges: tuple[str, ...] = ()


class Entrant(Protocol):
    """Takes part in a walk-forward.

    Attributes
    ----------
    name : str
        What tables call it.
    seed : int
        Tells apart the runs of one name.
    """

    name: str
    seed: int

    def at(self, cutoff: int, past: Sequence[Series]) -> Forecaster:
        """Learn from series that end before a cutoff; cutoffs come in order.

        Parameters
        ----------
        cutoff
            Microseconds, UTC.
        past
            What was known by then, instruments that are held out not among it.
        """
        ...


def underlying(series: Series) -> str:
    """Name what a series is about, whoever quotes it: its symbol without exchange, vendor or contract."""
    return symbol_of(series.instrument_id)


def symbol_of(instrument_id: str) -> str:
    """Symbol of an instrument without exchange, vendor or contract."""
    return instrument_id.partition(":")[2].partition("@")[0].partition(".")[0]


def shown(series: Series, plan: Plan) -> str:
    """`seen`, or why nobody learns from a series: `new instrument`, `new exchange`."""
    if series.exchange in plan.held_exchanges:
        return "new exchange"
    digest = hashlib.sha256(underlying(series).encode()).digest()
    return "new instrument" if int.from_bytes(digest[:4]) < plan.held_out * 2**32 else "seen"


def before(series: Sequence[Series], cutoff: int) -> list[Series]:
    """Parts of series that were known before a moment; those that did not exist are left out."""
    out = []
    for one in series:
        # Bars that arrived late end the series: a hole would be a hint of what came.
        late = np.flatnonzero(one.known_at >= cutoff)
        rows = int(late[0]) if len(late) else len(one)
        rows = min(rows, int(np.searchsorted(one.ts, cutoff)))
        if rows:
            ts, known_at = one.ts[:rows], one.known_at[:rows]
            values, calendar = one.values[:rows], one.calendar[:rows]
            out.append(replace(one, ts=ts, known_at=known_at, values=values, calendar=calendar))
    return out


def windows_to_judge(series: Sequence[Series], start: int, end: int, plan: Plan) -> Ints:
    """Windows to judge: contexts end in [start, end), at moments that all instruments of a market share.

    Parameters
    ----------
    series
        All series.
    start, end
        Microseconds, UTC.
    plan
        How many. A context is at least half full; between no two bars of a horizon are more than ten days.

    Returns
    -------
    (n, 2)
        Picks.
    """
    markets: dict[tuple[str, str, str], list[tuple[int, Ints]]] = {}
    for at, one in enumerate(series):
        low = max(plan.context // 2, int(np.searchsorted(one.ts, start)))
        high = min(int(np.searchsorted(one.ts, end)), len(one) - plan.horizon)
        if high > low:
            market = (one.exchange, one.asset_class, one.freq)
            holes = np.cumsum(np.diff(one.ts, prepend=one.ts[0]) > _LONGEST_GAP)
            rows = np.arange(low, high)
            rows = rows[holes[rows + plan.horizon] == holes[rows]]
            if len(rows):
                markets.setdefault(market, []).append((at, rows))
    picks = []
    for _, members in sorted(markets.items()):
        clock = np.unique(np.concatenate([series[at].ts[rows] for at, rows in members]))
        chosen = clock[np.unique(np.linspace(0, len(clock) - 1, plan.moments).astype(np.int64))]
        for moment in chosen.tolist():
            there = []
            for at, rows in members:
                i = int(np.searchsorted(series[at].ts[rows], moment))
                if i < len(rows) and series[at].ts[rows[i]] == moment:
                    there.append((at, int(rows[i])))
            keep = np.unique(np.linspace(0, len(there) - 1, min(plan.names, len(there))).astype(np.int64))
            picks += [there[i] for i in keep]
    return np.array(sorted(picks), dtype=np.int64).reshape(-1, 2)


def judge(
    forecaster: Forecaster,
    store: Windows,
    series: Sequence[Series],
    picks: Ints,
    plan: Plan,
    *,
    name: str,
    seed: int,
) -> pl.DataFrame:
    """Ask one forecaster about windows.

    Parameters
    ----------
    forecaster
        It has learned.
    store, series
        The series that picks refer to, as windows and as they are.
    picks
        (n, 2) windows, n > 0.
    plan
        What is asked.
    name, seed
        What the rows say of who was asked.

    Returns
    -------
    pl.DataFrame
        A row a window; see `walk_forward`. `seconds` are those of `sample`.

    Raises
    ------
    ValueError
        A path is infinite.
    """
    took, parts = 0.0, []
    for at in range(0, len(picks), _CHUNK):
        batch = store.batch(picks[at : at + _CHUNK])
        start = time.perf_counter()
        paths = forecaster.sample(batch, plan.horizon, plan.paths, at)
        took += time.perf_counter() - start
        if np.isinf(paths).any():  # scores would be left out of all means, and look the better for it
            raise ValueError(
                f"{name}: infinite paths behind {_about(series, picks, plan)['window'][at]} or later"
            )
        expected = forecaster.expected(batch, plan.horizon) if isinstance(forecaster, Expecting) else None
        parts.append(pl.DataFrame(judged(paths, batch, expected)))
    return pl.concat([_about(series, picks, plan), pl.concat(parts)], how="horizontal").select(
        pl.lit(name).alias("forecaster"),
        pl.lit(seed).alias("seed"),
        pl.all(),
        pl.lit(took / len(picks)).alias("seconds"),
    )


def walk_forward(
    series: Sequence[Series], entrants: Sequence[Entrant], plan: Plan, say: Callable[[str], None]
) -> pl.DataFrame:
    """Judge everybody on the same windows.

    Parameters
    ----------
    series
        Everything known at the end, in the order that picks refer to.
    entrants
        Who takes part.
    plan
        What is asked.
    say
        Gets a line an entrant and cutoff.

    Returns
    -------
    pl.DataFrame
        A row an entrant and window: `forecaster`, `seed`, `window` (unique), what it is, `seconds` that its
        forecast took, and the columns of `targets.judged`.

    Raises
    ------
    ValueError
        No series reaches beyond the first cutoff.
    """
    store = WindowStore(series, plan.context, plan.horizon)
    seen = [one for one in series if shown(one, plan) == "seen"]
    parts: list[pl.DataFrame] = []
    for cutoff, end in pairwise((*plan.cutoffs, _END)):
        picks = windows_to_judge(series, cutoff, end, plan)
        if not len(picks):
            continue
        past = before(seen, cutoff)
        for entrant in entrants:
            start = time.perf_counter()
            forecaster = entrant.at(cutoff, past)
            took = time.perf_counter() - start
            parts.append(judge(forecaster, store, series, picks, plan, name=entrant.name, seed=entrant.seed))
            say(
                f"{iso(cutoff)[:10]} {entrant.name} {entrant.seed}: {len(picks)} windows, fit {took:.1f} s,"
                f" {1000 * parts[-1]['seconds'][0]:.1f} ms a window"
            )
    if not parts:
        raise ValueError("no series has a horizon behind the first cutoff; take earlier cutoffs")
    return pl.concat(parts)


def _about(series: Sequence[Series], picks: Ints, plan: Plan) -> pl.DataFrame:
    """Which windows picks are."""
    ones = [series[at] for at in picks[:, 0]]
    return pl.DataFrame(
        {
            "window": [f"{at}/{row}" for at, row in picks.tolist()],
            "exchange": [one.exchange for one in ones],
            "asset_class": [one.asset_class for one in ones],
            "freq": [one.freq for one in ones],
            "instrument_id": [one.instrument_id for one in ones],
            "shown": [shown(one, plan) for one in ones],
            "ts": pl.from_epoch(
                pl.Series([int(one.ts[row]) for one, row in zip(ones, picks[:, 1], strict=True)]),
                time_unit="us",
            ),
        }
    )
