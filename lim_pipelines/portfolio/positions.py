"""Books of models that say positions themselves: what they say is what is held.

The weight was made of the network's score by the function that it was fitted through
(`finetune/positions.py`), so limits on leverage and net hold here because they held there.

What does not belong here: forecasts of returns and their sizing (`sizing.py`, `books.py`), costs of the trade
from one decision to the next: they were in the loss, and the backtest counts them.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.finetune.spec import RELATIVE_TASKS, ModelSpec
from lim_pipelines.portfolio.absent import with_sold
from lim_pipelines.strategies.base import Known


class PositionBooks:
    """One book an arm and seed; a `strategies.task.Books`. It remembers nothing.

    Parameters
    ----------
    spec
        The task: of a relative one, what cannot be decided on is sold; of others it stays.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._relative = spec.task in RELATIVE_TASKS

    def rebalance(self, known: Known) -> pl.DataFrame:
        """Take over what the models say.

        Parameters
        ----------
        known
            What is known at the decision.

        Returns
        -------
        pl.DataFrame
            `known.forecasts` with a column weight. In a relative task instruments of the universe that have
            bars but none of this session, or too few, get rows with weight 0. Empty if nothing can be
            decided on, and of a relative task if a single instrument can; the books then stay as they are.
        """
        decided = known.forecasts.with_columns(weight=pl.col("position"))
        if not self._relative:
            return decided
        about = decided.select("exchange", "instrument_id").unique()
        if about.height < 2:
            return decided.clear()
        return with_sold(known, decided)
