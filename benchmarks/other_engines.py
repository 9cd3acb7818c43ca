"""The engine's money against that of engines which are not ours, on real quotes, to the cent.

    python -m benchmarks.other_engines [--vectorbt PYTHON] [--nautilus PYTHON]

Each PYTHON is one of an environment of its own, made once by

    python -m venv vbt && vbt/bin/pip install vectorbt
    python -m venv nautilus && nautilus/bin/pip install nautilus-trader==1.221.0

An engine whose PYTHON is not given is left out, and that is said. The figures stand in docs/backtest.md.

What is compared: vectorbt sizes target weights and pays fees by itself (fractions of shares, total returns as
prices). Nautilus is an exchange and a broker of its own: market orders of whole shares, sized with the equity
that its account shows, filled at the close; splits and dividends it does not know.

What does not belong here: speed (`backtest_engine.py`), ledgers by hand (`tests/unit/test_ledgers.py`), the
foreign engines' scripts (`foreign/`: they run where nothing of ours is installed).
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.us_shares import QUOTES, rsr_bars
from lim_pipelines.backtest.engine import run
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.schemas import TARGETS
from lim_pipelines.strategies.execution import Execution

Floats = npt.NDArray[np.float64]
FIRST, LAST = date(2013, 1, 2), date(2016, 12, 30)
CAPITAL = 10_000_000.0
HERE = Path(__file__).parent


@dataclass(frozen=True)
class World:
    """Quotes and decisions, as the engine reads them and as matrices.

    Parameters
    ----------
    bars, targets
        As `engine.run` takes them.
    days
        Sessions after the first decision, T.
    close
        Closes, shape (T, n), NaN where there is none.
    due
        Target weights on the session that fills them, shape (T, n), NaN where there is no order.
    """

    bars: pl.DataFrame
    targets: pl.DataFrame
    days: list[date]
    close: Floats
    due: Floats


def make_world(count: int, every: int, seed: int) -> World:
    """Random weights, long and short, on shares of the vendor's file; every close to the cent."""
    names = pl.scan_parquet(QUOTES).select("exchange", "ticker").unique().sort("ticker").head(count).collect()
    bars = rsr_bars(names, LAST).filter(pl.col("date") >= FIRST).with_columns(pl.col("close").round(2))
    ids = bars["instrument_id"].unique().sort().to_list()
    days = bars["date"].unique().sort().to_list()
    rng = np.random.default_rng(seed)
    decided = days[:-2:every]
    weight = np.round(rng.normal(0.0, 0.35 / count, (len(decided), len(ids))), 6)
    rows = pl.DataFrame(
        {
            "date": [day for day in decided for _ in ids],
            "instrument_id": ids * len(decided),
            "weight": weight.ravel(),
        }
    )
    wide = bars.pivot("instrument_id", index="date", values="close").sort("date").select(ids).to_numpy()
    close = wide[1:].astype(np.float64)
    due = np.full(close.shape, np.nan)
    for row, day in enumerate(decided):
        due[days.index(day)] = weight[row]
    return World(bars, _targets(rows), days[1:], close, _until_it_trades(due, close))


def _targets(rows: pl.DataFrame) -> pl.DataFrame:
    at = pl.lit(datetime(2010, 1, 1, tzinfo=UTC))
    stamp = {"strategy": "s", "arm": "full", "spec_digest": "", "model_digest": ""}
    numbers = {
        "cutoff": pl.lit(date(2010, 1, 1)),
        "seed": pl.lit(0),
        "forecast": pl.lit(0.0),
        "decided_at": at,
    }
    mic = pl.col("instrument_id").str.split(":").list.first()
    return TARGETS.conform(
        rows.with_columns(exchange=mic, **{k: pl.lit(v) for k, v in stamp.items()}, **numbers)
    )


def _until_it_trades(due: Floats, close: Floats) -> Floats:
    """Move an order to the next session with a close: others drop orders that meet no price."""
    moved, waiting = np.full(due.shape, np.nan), np.full(due.shape[1], np.nan)
    for t in range(len(due)):
        waiting = np.where(np.isfinite(due[t]), due[t], waiting)
        trades = np.isfinite(close[t])
        moved[t] = np.where(trades, waiting, np.nan)
        waiting[trades] = np.nan
    return moved


def ours(world: World, costs: Costs, execution: Execution) -> Floats:
    """Equity of the engine at each close, shape (T,)."""
    daily = run(world.targets, world.bars, None, costs, execution).daily.sort("date")
    if daily["date"].to_list() != world.days:
        raise ValueError("the engine's sessions are not the world's")
    return np.asarray(execution.capital * np.cumprod(1.0 + daily["net_return"].to_numpy()))


def theirs(python: str, script: str, world: World, fee: float) -> tuple[Floats, int]:
    """Equity of a foreign engine at each close, and how many orders it filled."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npz"
        days = np.array([day.toordinal() for day in world.days])
        np.savez(given, close=world.close, due=world.due, days=days, capital=CAPITAL, fee=fee)
        subprocess.run([python, str(HERE / script), str(given), str(made)], check=True)
        with np.load(made) as told:
            return told["equity"], int(told["orders"])


def compare(name: str, mine: Floats, other: Floats, orders: int) -> str:
    """Return a row of the table: sessions, orders, final equity of both, the largest difference."""
    return (
        f"| {name} | {len(mine):,} | {orders:,} | {mine[-1]:,.2f} | {other[-1]:,.2f} |"
        f" {np.abs(mine - other).max():.4f} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--vectorbt", help="a Python that imports vectorbt")
    parser.add_argument("--nautilus", help="a Python that imports nautilus_trader 1.221.0")
    given = parser.parse_args(arguments)
    plain = Execution(capital=CAPITAL, impact=0.0, exchange_rules=False)
    whole = Execution(capital=CAPITAL, impact=0.0)
    print("| against | sessions | orders | our last equity | theirs | largest difference |")
    print("|---|---|---|---|---|---|")
    if given.vectorbt:
        for fee in (0.0, 10.0):
            world = make_world(100, every=10, seed=1)
            costs = Costs(commission_bps=fee, half_spread_bps=0.0, borrow_bps_per_year=0.0)
            other, orders = theirs(given.vectorbt, "foreign/vectorbt_books.py", world, fee * 1e-4)
            print(compare(f"vectorbt, {fee:.0f} bp", ours(world, costs, plain), other, orders))
    else:
        print("| vectorbt: left out, give --vectorbt PYTHON |")
    if given.nautilus:
        world = make_world(20, every=20, seed=2)
        costs = Costs(commission_bps=0.0, half_spread_bps=0.0, borrow_bps_per_year=0.0)
        other, orders = theirs(given.nautilus, "foreign/nautilus_books.py", world, 0.0)
        print(compare("nautilus, whole shares", ours(world, costs, whole), other, orders))
    else:
        print("| nautilus: left out, give --nautilus PYTHON |")


if __name__ == "__main__":
    main()
