"""Events: one a company, kind and moment.

What is the same event under two symbols of a company is one. A later row that gives it another size or detail
revises it.

What does not belong here: whom a symbol means (`entities/`), whether values make sense (`validate/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.align.symbols import align_symbols
from lim_pipelines.schemas import ALIGNED_EVENTS

REPEATS = (
    "repeated_event",
    "the company's event was known already, from a symbol or delivery before; nothing to do",
)


def align(raw: pl.DataFrame, matched: pl.DataFrame) -> Outcome:
    """Bring events to the companies they are about; see `align_symbols`.

    Parameters
    ----------
    raw
        Frame of `RAW_EVENTS`.
    matched
        What was found of `mentions(raw)`.

    Returns
    -------
    Outcome
        Frame of `ALIGNED_EVENTS` and the rows held back.
    """
    return align_symbols(raw, matched, ALIGNED_EVENTS, REPEATS, "double_event")
