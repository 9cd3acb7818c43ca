"""What bars are judged against, beside themselves.

What does not belong here: the rules (`rules/`), the columns made of it (`prepare/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from lim_pipelines.schemas import ALIGNED_BARS, CORPORATE_ACTIONS, INDEX_MEMBERS, LISTINGS

BEFORE_SESSIONS: Final = 60
"""Sessions of daily bars before a scope that rules of history look at."""


@dataclass(frozen=True)
class Beside:
    """What bars of some partitions are judged against.

    Parameters
    ----------
    listings
        Frame of `LISTINGS`: ticks, lots, expiries.
    actions
        Frame of `CORPORATE_ACTIONS`.
    members
        Frame of `INDEX_MEMBERS`.
    before
        Frame of `ALIGNED_BARS`, all revisions: daily bars of the `BEFORE_SESSIONS` sessions before. Aligned,
        not validated: what is found does not depend on the order in which partitions are validated.
    """

    listings: pl.DataFrame
    actions: pl.DataFrame
    members: pl.DataFrame
    before: pl.DataFrame


NOTHING: Final = Beside(
    LISTINGS.empty(), CORPORATE_ACTIONS.empty(), INDEX_MEMBERS.empty(), ALIGNED_BARS.empty()
)
"""Nothing beside: rules that need something judge nothing."""
