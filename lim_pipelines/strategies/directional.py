"""Directional strategies: every instrument for itself, every session (paper section 5.3).

What does not belong here: forecasts (`base.py`), the arithmetic of sizing (`portfolio/sizing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from lim_pipelines.finetune.selection import Selection
from lim_pipelines.finetune.settings import DirectionalLimits
from lim_pipelines.portfolio.positions import PositionBooks
from lim_pipelines.portfolio.sizing import directional_weight
from lim_pipelines.strategies.base import Decision, Known
from lim_pipelines.strategies.cross_sectional import decisions as rhythm
from lim_pipelines.strategies.portfolios import Portfolio
from lim_pipelines.strategies.task import Books, TaskRules

if TYPE_CHECKING:
    from lim_pipelines.strategies.spec import StrategySpec


@dataclass(frozen=True)
class DirectionalBooks:
    """Books of instruments that know nothing of each other; a `task.Books`.

    Parameters
    ----------
    settings
        Size of a position.
    """

    settings: DirectionalLimits

    def rebalance(self, known: Known) -> pl.DataFrame:
        """See `task.Books`."""
        return known.forecasts.with_columns(weight=directional_weight(self.settings))


class Directional(TaskRules):
    """Each instrument for itself."""

    def portfolio(self, content: Mapping[str, Any]) -> type[Portfolio]:
        """See `task.TaskRules`."""
        return DirectionalLimits

    def decisions(
        self, sessions: pl.DataFrame, spec: StrategySpec, start: datetime, end: datetime
    ) -> list[Decision]:
        """List every session of every exchange, each after its own close; of positions, each horizon."""
        if spec.output == "position":
            return rhythm(sessions, spec.horizon, start, end)
        return decisions(sessions, start, end)

    def books(self, spec: StrategySpec, selection: Selection) -> Books:
        """See `task.TaskRules`."""
        if spec.output == "position":
            return PositionBooks(spec)
        assert isinstance(spec.portfolio, DirectionalLimits)
        return DirectionalBooks(spec.portfolio)


def decisions(sessions: pl.DataFrame, start: datetime, end: datetime) -> list[Decision]:
    """Every session of every exchange decided on in a period, each exchange after its own close.

    Parameters
    ----------
    sessions
        As from `base.universe_sessions`.
    start, end
        Decisions at or after `start` and before `end`, UTC.
    """
    rows = sessions.filter((pl.col("decided_at") >= start) & (pl.col("decided_at") < end)).sort(
        "decided_at", "exchange"
    )
    return [
        Decision(day, at, (mic,))
        for mic, day, at in rows.select("exchange", "date", "decided_at").iter_rows()
    ]
