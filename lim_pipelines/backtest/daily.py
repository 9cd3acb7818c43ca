"""Money by session and book, and what it is as daily results.

What does not belong here: what single instruments earn (`recorder.py`), metrics (`metrics.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from lim_pipelines.backtest.costs import PARTS, CostRates
from lim_pipelines.backtest.grid import Floats


class Journal:
    """Money of B books, noted while they are stepped; a list a figure, an entry a session.

    Rows are kept as they come and put together at the end: to write each into a matrix costs more than some
    of the products they come from.

    Parameters
    ----------
    count
        Books B.
    """

    def __init__(self, count: int) -> None:
        self.before: list[Floats] = []
        self.sized: list[Floats] = []
        self.gain: list[Floats] = []
        self.gross: list[Floats] = []
        self.net: list[Floats] = []
        self.borrow: list[Floats] = []
        self._sparse: dict[str, dict[int, Floats]] = {name: {} for name in (*PARTS, "traded")}
        self._count = count

    def add(self, figure: str, t: int, money: Floats) -> None:
        """Add money of a session, shape (B,), to `traded` or a part of the cost."""
        rows = self._sparse[figure]
        rows[t] = rows[t] + money if t in rows else money

    def totals(self, rates: CostRates) -> Totals:
        """Put sessions together; what is the same fraction of all that is traded is worked out here."""
        sparse = {name: self._spread_out(rows) for name, rows in self._sparse.items()}
        traded, sparse["borrow"] = sparse.pop("traded"), self._stacked(self.borrow)
        if rates.same:
            sparse["commission"] += traded * rates.commission.each[0]
            sparse["spread"] += traded * rates.spread.each[0]
        before, sized, gain, gross, net = (
            self._stacked(rows) for rows in (self.before, self.sized, self.gain, self.gross, self.net)
        )
        return Totals(before, sized, gain, sparse, traded, gross, net)

    def _stacked(self, rows: Collection[Floats]) -> Floats:
        if self._count == 1:
            return np.fromiter(rows, np.float64, len(rows))[:, None]
        return np.concatenate([*rows]).reshape(-1, self._count)

    def _spread_out(self, rows: dict[int, Floats]) -> Floats:
        out = np.zeros((len(self.before), self._count))
        if rows:
            out[[*rows]] = self._stacked(rows.values())
        return out


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
    def beside(cls, blocks: Sequence[Totals]) -> Totals:
        """Books of several blocks beside each other."""
        if len(blocks) == 1:
            return blocks[0]
        return cls(
            np.hstack([block.before for block in blocks]),
            np.hstack([block.sized for block in blocks]),
            np.hstack([block.gain for block in blocks]),
            {part: np.hstack([block.cost[part] for block in blocks]) for part in PARTS},
            np.hstack([block.traded for block in blocks]),
            np.hstack([block.gross for block in blocks]),
            np.hstack([block.net for block in blocks]),
        )

    def daily(self, dates: pl.Series, books: pl.DataFrame, capital: float) -> pl.DataFrame:
        """Daily results, columns of `BACKTEST_DAILY` without strategy; sorted by book and session.

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
        grid = books.join(pl.DataFrame({"date": dates}), how="cross", maintain_order="left_right")
        return grid.with_columns(pl.Series(name, value.T.ravel()) for name, value in columns.items())
