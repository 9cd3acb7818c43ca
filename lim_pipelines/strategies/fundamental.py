"""Fundamental investing: companies against each other, by what they file and what is said of them.

A cross-section on a calendar rhythm (paper section 5.3): on the first session of each month or quarter,
embeddings of the quotes, filings and text give the next alpha, Markowitz the positions.

What does not belong here: what companies filed (`inputs/fundamentals.py`), forecasts (`base.py`), the
arithmetic of positions (`portfolio/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from lim_pipelines.finetune.selection import Selection
from lim_pipelines.portfolio.books import OptimisedBooks
from lim_pipelines.strategies.base import Decision
from lim_pipelines.strategies.cross_sectional import decisions_on
from lim_pipelines.strategies.portfolios import FundamentalPortfolio, Portfolio, Rhythm
from lim_pipelines.strategies.task import Books, TaskRules

if TYPE_CHECKING:
    from lim_pipelines.strategies.spec import StrategySpec

_LENGTH: Final[dict[Rhythm, str]] = {"monthly": "1mo", "quarterly": "1q"}


class Fundamental(TaskRules):
    """Companies against each other, seldom."""

    def portfolio(self, content: Mapping[str, Any]) -> type[Portfolio]:
        """See `task.TaskRules`."""
        return FundamentalPortfolio

    def decisions(
        self, sessions: pl.DataFrame, spec: StrategySpec, start: datetime, end: datetime
    ) -> list[Decision]:
        """List the rebalances, led by the last one before the period. Most months of a quarter have none."""
        assert isinstance(spec.portfolio, FundamentalPortfolio)
        return decisions_on(rhythm(sessions, spec.portfolio.rhythm), sessions, start, end)

    def books(self, spec: StrategySpec, selection: Selection) -> Books:
        """See `task.TaskRules`."""
        assert isinstance(spec.portfolio, FundamentalPortfolio)
        return OptimisedBooks(spec.portfolio, spec.horizon, spec.costs, spec.execution)


def rhythm(sessions: pl.DataFrame, every: Rhythm) -> pl.Series:
    """First sessions of months or quarters.

    The first, not the last: which one it is no later session can change.

    Parameters
    ----------
    sessions
        As from `base.universe_sessions`; those of the first exchange count.
    every
        monthly or quarterly.

    Returns
    -------
    pl.Series
        Dates, sorted.
    """
    leading = sessions.filter(pl.col("exchange") == pl.col("exchange").min())
    return (
        leading.group_by(pl.col("date").dt.truncate(_LENGTH[every]).alias("of"))
        .agg(pl.col("date").min())["date"]
        .sort()
    )
