"""What rankings earn: as papers count it, and as an account would have it.

As papers count it: each day the k best are bought at a close and sold at the next one, and the returns of the
days are added up (IRR; Feng et al. 2019, section 5.1). As an account: target weights through the platform's
engine, decided when the bars were known (the next morning), filled at the close that follows, with
commission, spread, ticks, whole shares and impact.

What does not belong here: who ranks (`as_published_models.py`), which difference is worth what
(`as_published_waterfall.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from benchmarks.as_published_data import Flags, Floats, Ints, Panel
from lim_pipelines.backtest import engine
from lim_pipelines.backtest.facts import Facts
from lim_pipelines.exchanges import sessions
from lim_pipelines.schemas import LISTINGS, TARGETS
from lim_pipelines.strategies.execution import Execution

Book = tuple[str, int]
"""Arm and seed."""

EXECUTION = Execution(capital=1_000_000.0, impact=1.0)
"""A million USD, and impact by the square-root law with the coefficient that was measured."""
STRATEGY = "as_published"


def picks(said: Floats, there: Flags, k: int) -> Ints:
    """Find the k best shares of each session that are there, (T, k), the best first.

    Parameters
    ----------
    said, there
        (T, N) numbers, the larger the better, and what can be chosen: at least k a session.
    k
        How many.
    """
    ranked = np.where(there & np.isfinite(said), -said, np.inf)
    return np.argsort(ranked, axis=1, kind="stable")[:, :k]


def counted(picked: Ints, label: Floats) -> Floats:
    """Mean return of what was picked, (T,); a missing one counts as zero, as published."""
    return np.asarray(np.nan_to_num(np.take_along_axis(label, picked, axis=1)).mean(axis=1))


def market(there: Flags, label: Floats) -> Floats:
    """Mean return of all that could be picked, (T,); a missing one counts as zero."""
    return np.asarray(np.where(there, np.nan_to_num(label), 0.0).sum(axis=1) / there.sum(axis=1))


def reciprocal_rank(said: Floats, there: Flags, label: Floats) -> float:
    """Mean of one over the rank that the best pick had by what came of it (MRR), 1 at most."""
    best = picks(said, there, 1)
    had = np.where(there & np.isfinite(label), label, -np.inf)
    return float((1.0 / (1 + (had > np.take_along_axis(had, best, axis=1)).sum(axis=1))).mean())


def squared_error(said: Floats, there: Flags, label: Floats) -> float:
    """Mean squared error of said returns (MSE)."""
    own = there & np.isfinite(label) & np.isfinite(said)
    return float(((said - label)[own] ** 2).mean())


def targets(mic: str, panel: Panel, days: Sequence[int], books: Mapping[Book, Ints]) -> pl.DataFrame:
    """Make rows of `TARGETS`: equal weights in what is picked, zero in what no longer is.

    Parameters
    ----------
    mic
        Exchange of the panel.
    panel
        Sessions and names.
    days
        Rows of the panel on which is decided, T of them, one after the other.
    books
        Picks, (T, k), of each book.
    """
    rows = []
    for (arm, seed), picked in books.items():
        held: set[int] = set()
        for t, own in zip(days, picked.tolist(), strict=True):
            weights = {**dict.fromkeys(held, 0.0), **dict.fromkeys(own, 1.0 / len(own))}
            rows += [(arm, seed, panel.dates[t], panel.names[i], w) for i, w in sorted(weights.items())]
            held = set(own)
    names = ("arm", "seed", "date", "instrument_id", "weight")
    schema = dict(zip(names, (pl.String, pl.Int64, pl.Date, pl.String, pl.Float64), strict=True))
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    open_ = sessions(mic, panel.dates[days[0]], panel.dates[-1]).select(
        "date", decided_at=pl.col("open").shift(-1)
    )
    constant = {"strategy": STRATEGY, "spec_digest": "", "model_digest": "", "exchange": mic}
    frame = frame.join(open_, on="date", maintain_order="left").with_columns(
        pl.lit(panel.dates[days[0]]).cast(TARGETS.schema["cutoff"]).alias("cutoff"),
        *(pl.lit(value).alias(name) for name, value in constant.items()),
        forecast=pl.lit(None, dtype=pl.Float64),
    )
    return TARGETS.conform(frame)


@dataclass(frozen=True)
class Account:
    """What a book's decisions came to in the engine.

    Parameters
    ----------
    net, cost, impact
        (T,) fractions of equity, by decision: what its shares earned, less what was paid at that close for
        the next one's (the first bears its own, too; the last is not sold); commission, spread and ticks;
        market impact.
    """

    net: Floats
    cost: Floats
    impact: Floats


def account(
    mic: str, bars: pl.DataFrame, panel: Panel, days: Sequence[int], books: Mapping[Book, Ints]
) -> dict[Book, Account]:
    """Run books through the engine.

    Parameters
    ----------
    mic, panel, days, books
        As for `targets`. The last decision is two sessions before the last result.
    bars
        The panel's bars.
    """
    through = panel.dates[days[-1] + 2]
    asked = targets(mic, panel, days, books)
    held = bars.filter(pl.col("instrument_id").is_in(asked["instrument_id"].unique().implode()))
    facts = Facts(listings=ended(held, through))
    done = engine.run(asked, held, through, execution=EXECUTION, facts=facts, record=False)
    out = {}
    for (arm, seed), daily in done.daily.sort("date").partition_by("arm", "seed", as_dict=True).items():
        columns = daily.select("net_return", pl.col("cost") - pl.col("impact"), "impact").to_numpy()
        # On the first session there is nothing but the first fill.
        columns[1] += columns[0]
        out[str(arm), int(seed)] = Account(*columns[1:].T)
    return out


def ended(bars: pl.DataFrame, through: date) -> pl.DataFrame:
    """Say which shares stopped being quoted: they are paid out at their last close. Rows of `LISTINGS`."""
    last = bars.group_by("exchange", "instrument_id", "source").agg(last=pl.col("date").max())
    gone = last.filter(pl.col("last") < pl.lit(through)).sort("instrument_id")
    return LISTINGS.conform(
        gone.with_columns(
            symbol=pl.col("instrument_id"),
            name=pl.col("instrument_id"),
            asset_class=pl.lit("equity"),
            currency=pl.lit("USD"),
            file=pl.lit(""),
            known_at=pl.col("last").cast(LISTINGS.schema["known_at"]),
        )
    )
