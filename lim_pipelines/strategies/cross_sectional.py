"""Cross-sectional strategies: one instrument against another, all decided at once (paper section 5.3).

What does not belong here: forecasts (`base.py`; relative to the session's mean), the arithmetic of positions
(`portfolio/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from lim_pipelines.finetune.selection import Selection
from lim_pipelines.portfolio.books import OptimisedBooks
from lim_pipelines.portfolio.positions import PositionBooks
from lim_pipelines.portfolio.stock_selection import SelectionBooks
from lim_pipelines.strategies.base import Decision
from lim_pipelines.strategies.portfolios import MarkowitzPortfolio, Portfolio, SelectionPortfolio
from lim_pipelines.strategies.task import Books, TaskRules

if TYPE_CHECKING:
    from lim_pipelines.strategies.spec import StrategySpec


class CrossSectional(TaskRules):
    """One instrument against another."""

    def portfolio(self, content: Mapping[str, Any]) -> type[Portfolio]:
        """See `task.TaskRules`."""
        return SelectionPortfolio if "selection" in content else MarkowitzPortfolio

    def decisions(
        self, sessions: pl.DataFrame, spec: StrategySpec, start: datetime, end: datetime
    ) -> list[Decision]:
        """List the rebalances, led by the last one before the period."""
        if spec.output == "position":
            return decisions(sessions, spec.horizon, start, end)
        assert isinstance(spec.portfolio, MarkowitzPortfolio | SelectionPortfolio)
        return decisions(sessions, spec.portfolio.rebalance_every, start, end)

    def books(self, spec: StrategySpec, selection: Selection) -> Books:
        """See `task.TaskRules`."""
        if spec.output == "position":
            return PositionBooks(spec)
        if isinstance(spec.portfolio, SelectionPortfolio):
            return SelectionBooks(spec.portfolio)
        assert isinstance(spec.portfolio, MarkowitzPortfolio)
        return OptimisedBooks(spec.portfolio, spec.horizon, spec.costs, spec.execution)


def decisions(
    sessions: pl.DataFrame, every: int, start: datetime, end: datetime, lead: int = 1
) -> list[Decision]:
    """Rebalances of a period, led by the last ones before it.

    The rhythm counts the sessions of the first exchange since the beginning of its calendar, so it does not
    depend on where a cutoff falls.

    Parameters
    ----------
    sessions
        As from `base.universe_sessions`.
    every
        Sessions from one rebalance to the next.
    start, end, lead
        See `decisions_on`.
    """
    leading = sessions["exchange"].min()
    rhythm = sessions.filter((pl.col("exchange") == leading) & (pl.col("ordinal") % every == 0))
    return decisions_on(rhythm["date"], sessions, start, end, lead)


def decisions_on(
    dates: pl.Series, sessions: pl.DataFrame, start: datetime, end: datetime, lead: int = 1
) -> list[Decision]:
    """Rebalances on some dates. With several exchanges a decision waits for the last close of the date.

    Parameters
    ----------
    dates
        Dates of the rhythm.
    sessions
        As from `base.universe_sessions`.
    start, end
        Decisions at or after `start` and before `end`, UTC.
    lead
        How many decisions before `start` there are, too.

    Returns
    -------
    list of Decision
        Oldest first. Nothing is traded on those before `start` (there are fewer if the calendar begins
        there): they say which positions the period begins with.
    """
    rows = (
        sessions.filter(pl.col("date").is_in(dates.implode()))
        .group_by("date")
        .agg(pl.col("decided_at").max(), pl.col("exchange").sort())
        .sort("date")
        .filter(pl.col("decided_at") < end)
    )
    before = rows.filter(pl.col("decided_at") < start).tail(lead)
    inside = rows.filter(pl.col("decided_at") >= start)
    return [Decision(day, at, tuple(mics)) for day, at, mics in pl.concat([before, inside]).iter_rows()]
