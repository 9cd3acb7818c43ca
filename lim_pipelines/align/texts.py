"""Texts: one a company, moment and wording.

A text filed under two symbols of one company is one text about it; under symbols of two companies it is about
both. Two texts of the same moment and wording cannot be told apart, so none can contradict the other.

What does not belong here: whom a symbol means (`entities/`), whether values make sense (`validate/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.align.symbols import align_symbols
from lim_pipelines.schemas import ALIGNED_TEXTS

REPEATS = (
    "repeated_text",
    "the text was known already, from a symbol or delivery before; nothing to do",
)


def align(raw: pl.DataFrame, matched: pl.DataFrame) -> Outcome:
    """Bring texts to the companies they are about; see `align_symbols`.

    Parameters
    ----------
    raw
        Frame of `RAW_TEXTS`.
    matched
        What was found of `mentions(raw)`.

    Returns
    -------
    Outcome
        Frame of `ALIGNED_TEXTS` and the rows held back.
    """
    return align_symbols(raw, matched, ALIGNED_TEXTS, REPEATS, "double_text")
