"""Target weights as orders: which session they are due on.

What does not belong here: how they are sized and what of them is traded (`engine.py`, `rules/`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from lim_pipelines.backtest.books import Books
from lim_pipelines.backtest.errors import BacktestError
from lim_pipelines.backtest.grid import Floats, Grid, Indices
from lim_pipelines.exchanges import sessions
from lim_pipelines.strategies.execution import Execution


@dataclass(frozen=True)
class Orders:
    """Target weights that become due, sorted by session, book and instrument; one entry an order.

    Parameters
    ----------
    session, book, instrument
        Indices; of session, book and instrument each combination occurs once.
    weight
        Fraction of the equity.
    """

    session: Indices
    book: Indices
    instrument: Indices
    weight: Floats

    def of_books(self, first: int, end: int) -> Orders:
        """Orders of books first, ..., end - 1, which become 0, ..., end - first - 1."""
        own = (self.book >= first) & (self.book < end)
        return Orders(self.session[own], self.book[own] - first, self.instrument[own], self.weight[own])

    def without(self, ends: dict[int, Indices]) -> Orders:
        """Orders but those in instruments (columns by session) that have ended by then."""
        if not ends:
            return self
        end = {int(column): t for t, columns in ends.items() for column in columns}
        never = len(self.session) and int(self.session[-1]) + 1
        last = np.array([end.get(i, never) for i in range(int(self.instrument.max(initial=0)) + 1)])
        own = self.session < last[self.instrument]
        return Orders(self.session[own], self.book[own], self.instrument[own], self.weight[own])


class Schedule:
    """Orders by session.

    Parameters
    ----------
    orders
        Orders of B books in n instruments.
    sessions
        How many sessions there are.
    shape
        (B, n).
    """

    def __init__(self, orders: Orders, sessions: int, shape: tuple[int, int]) -> None:
        self._orders, self._shape = orders, shape
        self._starts = np.searchsorted(orders.session, np.arange(sessions + 1)).tolist()

    def deliver(self, t: int, books: Books) -> bool:
        """Give books what becomes due at session t; returns whether it is an order for all in each."""
        own = slice(self._starts[t], self._starts[t + 1])
        if own.start == own.stop:
            return False
        weight = self._orders.weight[own]
        if len(weight) == self._shape[0] * self._shape[1]:  # so they lie in order
            books.receive(weight.reshape(self._shape))
            return True
        books.receive_of(self._orders.book[own] * self._shape[1] + self._orders.instrument[own], weight)
        return False


def books_of(targets: pl.DataFrame) -> pl.DataFrame:
    """Columns arm, seed of the books, sorted."""
    return targets.select("arm", "seed").unique().sort("arm", "seed")


def place(targets: pl.DataFrame, grid: Grid, execution: Execution) -> Orders:
    """Find the session on which each target is due.

    Parameters
    ----------
    targets
        Rows of `TARGETS` of one strategy.
    grid
        Sessions and instruments.
    execution
        The delay, and the price that must not be older than the decision.

    Returns
    -------
    Orders
        Of two targets due on one session the later decided counts; those due after the last session are left
        out.

    Raises
    ------
    BacktestError
        A decision would be filled at a price before it, or a weight is no number.
    """
    wrong = targets.filter(~pl.col("weight").is_finite())
    if wrong.height:
        arm, seed, day, name = wrong.select("arm", "seed", "date", "instrument_id").row(0)
        raise BacktestError(
            f"{wrong.height} targets are no numbers, first of arm {arm}, seed {seed} for {name} on {day};"
            " materialize the strategy's targets again"
        )
    books, dates = books_of(targets), grid.dates[grid.start :]
    due = dates.search_sorted(targets["date"], side="right").cast(pl.Int64) + (execution.delay - 1)
    if execution.fill != "close":
        rows = targets.select("exchange", "decided_at", due=due)
        _refuse_early_opens(rows.filter(pl.col("due") < len(dates)), dates, execution)
    # One number an order, which sorts by session, book, instrument and decision: millions of them are
    # sorted many times faster than rows of names.
    names = grid.instruments["instrument_id"]
    decided = targets["date"].to_physical() - targets["date"].to_physical().min()
    shape = (books.height, len(names), int(decided.to_numpy().max()) + 1)
    instrument = targets["instrument_id"].cast(pl.Enum(names)).to_physical().cast(pl.Int64)
    order = ((due * shape[0] + _book(targets, books)) * shape[1] + instrument) * shape[2] + decided
    rows = pl.DataFrame({"order": order, "weight": targets["weight"]}).filter(due < len(dates)).sort("order")
    place = rows["order"].to_numpy() // shape[2]
    weight, last = rows["weight"].to_numpy(), np.append(place[1:] != place[:-1], True)[: len(place)]
    if not last.all():
        place, weight = place[last], weight[last]
    session, own = np.divmod(place, shape[0] * shape[1])
    return Orders(session, *np.divmod(own, shape[1]), weight)


def _book(targets: pl.DataFrame, books: pl.DataFrame) -> pl.Series:
    """Find the book of each target."""
    arms, seeds = books["arm"].unique().sort(), books["seed"].unique().sort()

    def pair(frame: pl.DataFrame) -> pl.Series:
        arm = frame["arm"].cast(pl.Enum(arms)).to_physical().cast(pl.Int64)
        return arm * len(seeds) + seeds.search_sorted(frame["seed"], side="left").cast(pl.Int64)

    # Books are sorted by arm and seed, and so are their numbers.
    return pair(books).search_sorted(pair(targets), side="left").cast(pl.Int64)


def _refuse_early_opens(rows: pl.DataFrame, dates: pl.Series, execution: Execution) -> None:
    """Refuse fills that begin before the decision: where trading opens again soon, the open does."""
    for (mic,), own in rows.group_by("exchange", maintain_order=True):
        decided = own.group_by("due").agg(pl.col("decided_at").max())
        decided = decided.with_columns(date=dates.gather(decided["due"]))
        first, last = decided.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
        opens = sessions(str(mic), first, last)
        early = decided.join(opens, on="date").filter(pl.col("open") < pl.col("decided_at")).sort("date")
        if early.height:
            row = early.row(0, named=True)
            raise BacktestError(
                f"execution: fill {execution.fill}: {early.height} sessions of {mic} open before the decision"
                f" that they fill (first {row['date']}: opens {row['open']}, decided {row['decided_at']});"
                " write fill: close, or delay: 2"
            )
