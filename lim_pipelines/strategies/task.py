"""The contract of a task: what is chosen and fitted on, when it is decided, what is held (paper section 5.3).

What does not belong here: any task (a file each, listed in `registry.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.finetune.selection import Selection
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.strategies.base import Decision, Known
from lim_pipelines.strategies.portfolios import Portfolio

if TYPE_CHECKING:
    from lim_pipelines.strategies.spec import StrategySpec


class Books(Protocol):
    """One book of positions an arm and seed, all moved together. A new object holds nothing."""

    def rebalance(self, known: Known) -> pl.DataFrame:
        """Choose the books' new weights.

        Parameters
        ----------
        known
            What is known at the decision. Decisions come oldest first.

        Returns
        -------
        pl.DataFrame
            `known.forecasts` with a column weight; further rows for what is sold. Instruments without a row
            stay as they are.
        """
        ...


class TaskRules(ABC):
    """Everything in which one task differs from another.

    A task has no state: what it chose at a cutoff is a `Selection`, what it holds is in its `Books`.
    """

    @abstractmethod
    def portfolio(self, content: Mapping[str, Any]) -> type[Portfolio]:
        """Say which settings `portfolio:` in YAML is read as.

        Parameters
        ----------
        content
            Its keys and values as they were written.
        """

    def select(self, spec: ModelSpec, bars: pl.DataFrame) -> Selection:
        """Choose what belongs together; nothing, unless a task says otherwise.

        Parameters
        ----------
        spec
            The strategy.
        bars
            Daily bars of the universe as known at the cutoff, one revision a bar. What stands beside samples
            of the validation window, or says which there are, must be chosen before that window: else early
            stopping and the judgement of a retrained model see sessions that were chosen by.
        """
        return Selection()

    def samples(
        self,
        spec: ModelSpec,
        bars: pl.DataFrame,
        inputs: pl.DataFrame,
        selection: Selection,
        sessions: list[date] | None = None,
    ) -> Samples:
        """Make the samples that models are fitted on and asked about; parameters as `build_samples`.

        Parameters
        ----------
        spec, bars, inputs, sessions
            See `finetune.samples.build_samples`.
        selection
            What `select` chose at the models' cutoff.
        """
        return build_samples(spec, bars, inputs, sessions)

    @abstractmethod
    def decisions(
        self, sessions: pl.DataFrame, spec: StrategySpec, start: datetime, end: datetime
    ) -> list[Decision]:
        """List the decisions of a period, oldest first.

        Parameters
        ----------
        sessions
            As from `base.universe_sessions`.
        spec
            The strategy.
        start, end
            Decisions at or after `start` and before `end`, UTC. Decisions before `start` may lead them:
            nothing is traded on those, they say which positions the period begins with.
        """

    @abstractmethod
    def books(self, spec: StrategySpec, selection: Selection) -> Books:
        """Open empty books.

        Parameters
        ----------
        spec
            The strategy.
        selection
            What `select` chose at the models' cutoff.
        """
