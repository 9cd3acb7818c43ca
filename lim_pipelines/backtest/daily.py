"""Money by session and book, and what it is as daily results.

What does not belong here: what single instruments earn (`recorder.py`), metrics (`metrics.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import polars as pl

from lim_pipelines.backtest.costs import PARTS
from lim_pipelines.backtest.grid import Floats


@dataclass(frozen=True)
class Totals:
    """Money of B books over T sessions, base currency; all of shape (T, B).

    Parameters
    ----------
    before, sized
        Equity at the previous close, and the one that orders are sized with.
    gain
        Price moves, dividends, delistings.
    cost
        Parts of the cost by name; financing is negative where interest is earned.
    traded
        Value traded by orders and margin calls.
    gross, net
        Value held after the close: of all positions, and long less short.
    """

    before: Floats
    sized: Floats
    gain: Floats
    cost: dict[str, Floats]
    traded: Floats
    gross: Floats
    net: Floats

    @classmethod
    def new(cls, sessions: int, count: int) -> Totals:
        """Nothing yet."""
        shape = (sessions, count)
        cost = {part: np.zeros(shape) for part in PARTS}
        zeros = {field.name: np.zeros(shape) for field in fields(cls) if field.name != "cost"}
        return cls(cost=cost, **zeros)

    @classmethod
    def beside(cls, blocks: Sequence[Totals]) -> Totals:
        """Books of several blocks beside each other."""
        if len(blocks) == 1:
            return blocks[0]
        names = [field.name for field in fields(cls) if field.name != "cost"]
        joined = {name: np.hstack([getattr(block, name) for block in blocks]) for name in names}
        cost = {part: np.hstack([block.cost[part] for block in blocks]) for part in PARTS}
        return cls(cost=cost, **joined)

    def daily(self, dates: pl.Series, books: pl.DataFrame, capital: float) -> pl.DataFrame:
        """Daily results, columns of `BACKTEST_DAILY` without strategy; a row a session and book.

        Parameters
        ----------
        dates
            Sessions, shape (T,).
        books
            Columns arm, seed; B rows.
        capital
            What a closed book's fractions are of.
        """
        before = np.where(self.before > 0, self.before, capital)
        sized = np.where(self.sized > 0, self.sized, capital)
        gross, parts = self.gain / before, {name: self.cost[name] / before for name in PARTS}
        cost = sum(parts.values(), np.zeros_like(before))
        overnight = [np.vstack([np.zeros_like(held[:1]), held[:-1]]) for held in (self.gross, self.net)]
        columns = {
            "gross_return": gross,
            **parts,
            "cost": cost,
            "net_return": gross - cost,
            "turnover": self.traded / sized,
            "gross_exposure": overnight[0] / before,
            "net_exposure": overnight[1] / before,
        }
        grid = pl.DataFrame({"date": dates}).join(books, how="cross", maintain_order="left_right")
        return grid.with_columns(pl.Series(name, value.ravel()) for name, value in columns.items())
