"""Stock selection: the best of a cross-section at equal weight (paper section 5.3).

What does not belong here: forecasts (`strategies/base.py`), positions against each other (`books.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lim_pipelines.portfolio.absent import with_sold
from lim_pipelines.strategies.base import Known
from lim_pipelines.strategies.portfolios import SelectionPortfolio


@dataclass(frozen=True)
class SelectionBooks:
    """One book an arm and seed; a `strategies.task.Books`. It remembers nothing.

    Parameters
    ----------
    settings
        How many are held, and how much of them.
    """

    settings: SelectionPortfolio

    def rebalance(self, known: Known) -> pl.DataFrame:
        """Hold the instruments with the best forecasts.

        Parameters
        ----------
        known
            What is known at the decision.

        Returns
        -------
        pl.DataFrame
            `known.forecasts` with a column weight: an equal share of `gross` for the best ones (of equal
            forecasts the first by name), 0 for the others and for instruments that cannot be decided on.
            Fewer instruments than are to be held get the same share each, the rest stays in cash. Empty if
            fewer than two can be decided on; the books then stay as they are.
        """
        about = known.forecasts["instrument_id"].n_unique()
        if about < 2:
            return known.forecasts.clear().with_columns(weight=pl.lit(0.0))
        place = pl.col("forecast").rank("ordinal", descending=True).over("arm", "seed")
        best = known.forecasts.sort("arm", "seed", "instrument_id").with_columns(
            weight=pl.when(place <= self.settings.selection)
            .then(self.settings.gross / self.settings.selection)
            .otherwise(0.0)
        )
        return with_sold(known, best)
