"""Bars of a coarser frequency before a context: the last year in days before the last hour in minutes.

What does not belong here: where series lie (`windows.py`, `store/`), how the model reads them (`model.py`).

Contexts of several granularities (paper, section 7, direction 3) cost few tokens: a model of minutes sees
months. No coarser bar overlaps the context: it had ended when the context's first bar began. One that was not
known when that bar ended is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lim_pipelines.foundation.config import COARSER, FREQS
from lim_pipelines.foundation.series import BAR_LENGTH_US, CALENDAR, VARIABLES, Floats, Ints, Series

NONE = -1


class Coarse(NamedTuple):
    """Bars of a coarser frequency, all of which had ended when the context's first bar began.

    Parameters
    ----------
    values
        (B, L_C, p); NaN where there are none.
    calendar
        (B, L_C, k); 0 where there are none.
    freq
        (B,) positions in `config.FREQS`.
    """

    values: Floats
    calendar: Floats
    freq: Ints


def companions(exchange: Sequence[str], instrument_id: Sequence[str], freq: Sequence[str]) -> Ints:
    """Position of the coarser series of each series' instrument, (n,); `NONE` where there is none.

    Parameters
    ----------
    exchange, instrument_id, freq
        Of each of n series.
    """
    keys = list(zip(exchange, instrument_id, freq, strict=True))
    position = {key: i for i, key in enumerate(keys)}
    wanted = ((where, which, COARSER.get(how, "")) for where, which, how in keys)
    return np.array([position.get(key, NONE) for key in wanted], dtype=np.int64)


def none_before(freq: Ints, count: int, p: int = len(VARIABLES)) -> Coarse:
    """Make place for `count` coarser bars of p variables before contexts of frequencies (B,): none yet."""
    coarser = [FREQS.index(COARSER.get(FREQS[at], FREQS[at])) for at in freq.tolist()]
    return Coarse(
        values=np.full((len(freq), count, p), np.nan, dtype=np.float32),
        calendar=np.zeros((len(freq), count, len(CALENDAR)), dtype=np.float32),
        freq=np.array(coarser, dtype=np.int64),
    )


def bars_before(
    bars: Callable[[int], Series],
    which: Ints,
    freq: Ints,
    moments: Sequence[int],
    count: int,
    p: int = len(VARIABLES),
) -> Coarse:
    """Gather the coarser bars before B contexts.

    Parameters
    ----------
    bars
        Bars of a series, by its position.
    which
        (B,) positions of the coarser series, or `NONE`.
    freq
        (B,) frequencies of the contexts, positions in `config.FREQS`.
    moments
        (B,) end of each context's first bar, microseconds since 1970, UTC.
    count, p
        L_C, bars before a context, and their variables.
    """
    out = none_before(freq, count, p)
    for i, (at, how, moment) in enumerate(zip(which.tolist(), freq.tolist(), moments, strict=True)):
        if at == NONE:
            continue
        series = bars(at)
        end = int(np.searchsorted(series.ts, moment - BAR_LENGTH_US[FREQS[how]], side="right"))
        start = max(0, end - count)
        known = series.known_at[start:end] <= moment
        here = slice(count - (end - start), count)
        out.values[i, here] = np.where(known[:, None], series.values[start:end], np.nan)
        out.calendar[i, here] = np.where(known[:, None], series.calendar[start:end], 0)
    return out
