"""Facts: one number a company, field, period and moment of knowledge.

Two share classes of one company file one report: the figure that arrives first is kept, the same figure under
the other symbol repeats it. A later figure that differs is a revision, whichever symbol brings it.

What does not belong here: whom a symbol means (`entities/`), whether values make sense (`validate/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.align.symbols import align_symbols
from lim_pipelines.schemas import ALIGNED_FACTS

REPEATS = (
    "repeated_fact",
    "the company's figure was known already, from a symbol or delivery before; nothing to do",
)


def align(raw: pl.DataFrame, matched: pl.DataFrame) -> Outcome:
    """Bring facts to the companies they are about; see `align_symbols`.

    Parameters
    ----------
    raw
        Frame of `RAW_FACTS`.
    matched
        What was found of `mentions(raw)`.

    Returns
    -------
    Outcome
        Frame of `ALIGNED_FACTS` and the rows held back.
    """
    return align_symbols(raw, matched, ALIGNED_FACTS, REPEATS, "double_fact")
