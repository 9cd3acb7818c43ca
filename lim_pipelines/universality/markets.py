"""What a lake has to ask about: series of all exchanges of a world, at every frequency that a model can read.

What does not belong here: which windows of them are asked about (`foundation/quality/harness.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.data import RESAMPLED, longer, series_from
from lim_pipelines.foundation.series import BAR_LENGTH_US, DAY, WHOLE_SESSIONS, Ints, Series
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import ONE_PRICE, RESAMPLED_BARS, VALIDATED_BARS

Bools = npt.NDArray[np.bool_]

_CLOSED = {True: 1.6, False: 8.0}
"""How much longer than its bars a stretch is, nights, weekends and holidays counted: of whole sessions and of
parts of them."""

_LEAST_DAYS = 10
"""A stretch of minutes may begin in a holiday."""


def mics(simulated: bool) -> list[str]:
    """Exchanges of a world, real or simulated."""
    return sorted(mic for mic, one in EXCHANGES.items() if one.simulated == simulated)


def read_series(lake: Lake, simulated: bool, since: date, bars: int) -> list[Series]:
    """Series of a world, from some bars before a day to the newest.

    Parameters
    ----------
    lake
        The lake; read as it is now, as what came of a forecast is known now only. See `known`.
    simulated
        Which world.
    since
        First day that is asked about.
    bars
        Bars of each frequency that must lie before it.

    Returns
    -------
    list of Series
        Those of the lake's own frequencies, of resampled bars, and weeks made of sessions.
    """
    frames = []
    for table in (VALIDATED_BARS, RESAMPLED_BARS):
        rows = lake.read(table, as_of=LATEST, where=_wanted(simulated, since, bars)).sort(table.key)
        frames.append(rows.select(*VALIDATED_BARS.columns).collect())
    found = pl.concat(frames)
    if found.is_empty():
        return []
    until = found.select(pl.col("date").max()).item() + timedelta(weeks=1)
    made = [longer(found.filter(pl.col("freq") == source), freq, until) for freq, source in RESAMPLED.items()]
    return series_from(pl.concat([found, *made]))


def known(series: Sequence[Series], picks: Ints, context: int) -> Bools:
    """Say of windows whether all bars of their contexts were known by then: none came later or was corrected.

    Parameters
    ----------
    series
        As they are known now.
    picks
        (n, 2) windows.
    context
        Their length in bars.

    Returns
    -------
    (n,)
        Whether.
    """

    def by_then(at: int, row: int) -> bool:
        moments = series[at].known_at[max(0, row - context + 1) : row + 1]
        return bool(moments.max() <= moments[-1])

    return np.array([by_then(at, row) for at, row in picks.tolist()], dtype=np.bool_)


def _wanted(simulated: bool, since: date, bars: int) -> pl.Expr:
    recent = pl.lit(False)
    for freq in FREQS:
        if freq in RESAMPLED:
            continue
        longest = max([freq, *(made for made, source in RESAMPLED.items() if source == freq)], key=_length)
        days = max(_LEAST_DAYS, bars * _length(longest) / DAY * _CLOSED[longest in WHOLE_SESSIONS])
        start = since - timedelta(days=round(days))
        recent |= (pl.col("freq") == freq) & (pl.col("date") >= start)
    return pl.col("exchange").is_in(mics(simulated)) & pl.col("price_type").is_in(ONE_PRICE) & recent


def _length(freq: str) -> float:
    return BAR_LENGTH_US[freq]
