"""Content of series as hashes that do not depend on how the series came together.

What does not belong here: where series lie (`shelf.py`), which there are (`index.py`).

A series is hashed in blocks of fixed length, so what is appended to it costs the hash of its last block only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np

from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Floats, Ints, Series

BLOCK = 4096
"""Rows of a block."""

COLUMNS = len(VARIABLES) + len(CALENDAR)
"""Columns of a stored row: the variables, then the calendar."""

_SHA = hashlib.sha256().digest_size


def rows_of(series: Series) -> Floats:
    """Lay the variables and the calendar of a series side by side, (T, p + k), every NaN of the same bits."""
    rows = np.concatenate([series.values, series.calendar], axis=1)
    rows[np.isnan(rows)] = np.nan
    return rows


def digest_series(
    name: Sequence[str], ts: Ints, known_at: Ints, rows: Floats, blocks: bytes = b""
) -> tuple[str, bytes]:
    """Content hash of one series.

    Parameters
    ----------
    name
        Exchange, asset class, frequency and instrument.
    ts, known_at
        (T,) ends of the bars, and since when they were known.
    rows
        (T, p + k) as from `rows_of`.
    blocks
        Hashes of the first whole blocks, where they are known already.

    Returns
    -------
    tuple
        The hash in hexadecimal; the hashes of all whole blocks, for the next time.
    """
    found = [blocks]
    for start in range(len(blocks) // _SHA * BLOCK, len(ts), BLOCK):
        one = hashlib.sha256()
        for part in (ts, known_at, rows):
            one.update(part[start : start + BLOCK].data)
        found.append(one.digest())
    every = b"".join(found)
    whole = len(ts) // BLOCK * _SHA
    head = json.dumps([*name, len(ts)]).encode()
    return hashlib.sha256(head + every).hexdigest(), every[:whole]


def digest_of(series: Iterable[Series]) -> str:
    """Content hash of some series, in whatever order; what `Index.digest` gives where they are stored.

    Parameters
    ----------
    series
        For example `data.series_of(data.read_bars(...))`.
    """
    return together(
        digest_series((s.exchange, s.asset_class, s.freq, s.instrument_id), s.ts, s.known_at, rows_of(s))[0]
        for s in series
    )


def together(digests: Iterable[str]) -> str:
    """Put the hashes of series together into one."""
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
