"""The backtest engine beside a bare numpy loop over days and beside vectorbt: seconds, ratios, memory.

    python -m venv VBT && VBT/bin/pip install vectorbt        # a yardstick, in an environment of its own
    python -m benchmarks.backtest_engine --vectorbt VBT/bin/python [--instruments 2000] [--sessions 2520]

Three questions, each answered in one run so that ratios hold on any machine:

- Plain costs (commission and spread, fills at the close, no rules), a new target for every instrument on
  every day: the engine's loop, a loop that does the same arithmetic and nothing else, and vectorbt's
  `Portfolio.from_orders`. All three must end with the same equity.
- Every rule on: lots, ticks, price limits, short bans, tax, participation, impact, margins, interest, splits,
  dividends, delistings, a foreign currency, fills at the open.
- Many strategies in one pass and one after the other, from frames to results, and the memory of the pass.

What does not belong here: whether the money is right (`tests/unit/test_ledgers.py`, `test_books_laws.py`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.backtest import engine
from lim_pipelines.backtest.facts import RATES, Facts
from lim_pipelines.backtest.grid import Grid, build_grid
from lim_pipelines.backtest.orders import Orders
from lim_pipelines.backtest.plan import make_plan
from lim_pipelines.exchanges import sessions
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.schemas import CORPORATE_ACTIONS, LISTINGS, TARGETS
from lim_pipelines.strategies.execution import Execution

Floats = npt.NDArray[np.float64]

# vectorbt knows no borrow fee, so it is worked out and nothing.
COMMISSION, SPREAD, BORROW = 0.5e-4, 1.5e-4, 0.0
COSTS = Costs(commission_bps=0.5, half_spread_bps=1.5, borrow_bps_per_year=0.0)
CAPITAL = 1e7
PLAIN = Execution(exchange_rules=False, capital=CAPITAL)
EVERYTHING = Execution(
    capital=CAPITAL,
    fill="open",
    delay=2,
    participation=0.1,
    impact=1.0,
    cash_rate=0.02,
    financing_spread=0.01,
    initial_margin=0.5,
    maintenance_margin=0.4,
    delisting_haircut=0.3,
)
CHINA = COSTS.model_copy(update={"borrow_bps_per_year": 800.0})

VECTORBT = """
import json, sys, time
import numpy as np, pandas as pd, vectorbt as vbt

def run(close, weight, rate, capital):
    start = time.process_time()
    book = vbt.Portfolio.from_orders(
        pd.DataFrame(close), size=weight, size_type="targetpercent", fees=rate, init_cash=capital,
        cash_sharing=True, group_by=True, call_seq="auto", freq="1D",
    )
    value = book.value().to_numpy()
    alone = time.process_time() - start
    # The rest of what a daily record says: value traded, costs, exposures.
    rows = book.orders.values
    np.bincount(rows["idx"], weights=rows["size"] * rows["price"], minlength=len(close))
    np.bincount(rows["idx"], weights=rows["fees"], minlength=len(close))
    book.gross_exposure(), book.net_exposure()
    return alone, time.process_time() - start, value

data = np.load(sys.argv[1])
close, weight, rate, capital = data["close"], data["weight"], float(data["rate"]), float(data["capital"])
run(close[:20, :5], weight[:20, :5], rate, capital)  # compiles
alone, seconds, value = run(close, weight, rate, capital)
print(json.dumps({"alone": alone, "seconds": seconds, "equity": float(value[-1])}))
"""


def best(call: Callable[[], object], repeats: int) -> float:
    """Shortest of some runs, seconds of the processor: neighbours on the machine do not count."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)


def closes(count: int, n: int, seed: int = 0) -> Floats:
    """Draw random walks, shape (count, n)."""
    rng = np.random.default_rng(seed)
    return np.asarray(50.0 * np.exp(np.cumsum(0.01 * rng.standard_normal((count, n)), axis=0)))


def weights(count: int, n: int, seed: int = 1) -> Floats:
    """Draw target weights, long and short, gross 1, shape (count, n)."""
    drawn = np.random.default_rng(seed).standard_normal((count, n))
    return np.asarray(drawn / np.abs(drawn).sum(axis=1, keepdims=True))


def bars_of(close: Floats, mic: str, ex_factor: Floats) -> pl.DataFrame:
    """Daily bars of n instruments; opens and volumes are made of the closes."""
    count, n = close.shape
    days = sessions(mic, date(2008, 1, 1), date(2022, 12, 31))["date", "close"].head(count)
    flat = close.ravel()
    return pl.DataFrame(
        {
            "exchange": pl.Series([mic]).new_from_index(0, count * n),
            "instrument_id": pl.Series([name_of(mic, i) for i in range(n)] * count),
            "date": days["date"].gather(np.repeat(np.arange(count), n)),
            "ts": days["close"].gather(np.repeat(np.arange(count), n)),
            "freq": pl.Series(["1d"]).new_from_index(0, count * n),
            "price_type": pl.Series(["trade"]).new_from_index(0, count * n),
            "asset_class": pl.Series(["equity"]).new_from_index(0, count * n),
            "open": flat * 1.001,
            "close": flat,
            "volume": np.full(count * n, 1e6),
            "turnover": flat * 1e6,
            "ex_factor": ex_factor.ravel(),
        }
    )


def name_of(mic: str, i: int) -> str:
    """Instrument ids that sort by number."""
    return f"{mic}:S{i:05d}"


def first_target(mic: str, n: int, day: date) -> pl.DataFrame:
    """One row an instrument, for what asks only which instruments there are and when a book begins."""
    return pl.DataFrame(
        {
            "strategy": ["s"] * n,
            "arm": ["a"] * n,
            "seed": [0] * n,
            "date": [day] * n,
            "exchange": [mic] * n,
            "instrument_id": [name_of(mic, i) for i in range(n)],
        }
    )


def daily_orders(weight: Floats) -> Orders:
    """Orders of one book for all instruments on every session."""
    count, n = weight.shape
    session, instrument = np.divmod(np.arange(count * n), n)
    return Orders(session, np.zeros_like(session), instrument, weight.ravel())


def bare(close: Floats, weight: Floats, years: list[float]) -> Floats:
    """Do the same arithmetic for one book and nothing else, in as few passes as numpy knows.

    Returns
    -------
    array
        By day, shape (8, T): equity at the close, gain, commission, spread, borrow, value traded, value held,
        value held long less short.
    """
    count, n = close.shape
    # Trade, quantity, and both without signs: of yesterday and of today.
    sides = np.zeros((2, 4, n))
    equity, short, worth = CAPITAL, 0.0, 0.0
    out = np.zeros((count, 8))
    for t in range(count):
        price, (trade, quantity, *_), held = close[t], sides[t % 2], sides[t % 2 - 1, 1]
        fee = short * BORROW * years[t]
        gain = float(held.dot(price)) - worth
        equity += gain - fee
        np.multiply(weight[t], equity, quantity)
        np.divide(quantity, price, quantity)
        np.subtract(quantity, held, trade)
        np.absolute(sides[t % 2, :2], sides[t % 2, 2:])
        worth, traded, gross = sides[t % 2, 1:].dot(price).tolist()
        commissions, spreads = traded * COMMISSION, traded * SPREAD
        equity -= commissions + spreads
        short = (gross - worth) / 2.0
        out[t] = equity, gain, commissions, spreads, fee, traded, gross, worth
    return out.T


def vectorbt_of(python: str | None, close: Floats, weight: Floats) -> dict[str, float] | None:
    """Seconds and last equity of vectorbt; None, and a loud word, where it is not installed."""
    if python is None:
        print("NO VECTORBT: its columns are missing. Make an environment (see above), give --vectorbt PYTHON")
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "work.npz"
        np.savez(path, close=close, weight=weight, rate=COMMISSION + SPREAD, capital=CAPITAL)
        done = subprocess.run(
            [python, "-c", VECTORBT, str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"{python}: vectorbt failed: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def plain(close: Floats, weight: Floats, python: str | None, repeats: int) -> float | None:
    """Plain costs; returns vectorbt's seconds."""
    mic, (count, n) = "XNYS", close.shape
    bars = bars_of(close, mic, np.ones_like(close))
    start = time.process_time()
    grid = build_grid(first_target(mic, n, bars["date"][0]), bars, None)
    plan, market = make_plan(grid, COSTS, PLAIN, engine.NO_FACTS)
    made = time.process_time() - start
    orders = daily_orders(weight[1:])
    totals = engine.simulate(market, orders, 1, plan)
    paid = sum(part[-1, 0] for part in totals.cost.values())
    ends = {"engine": totals.sized[-1, 0] - paid, "numpy": bare(close[1:], weight[1:], market.years)[0, -1]}
    ours, loop = [], []
    for _ in range(repeats):  # by turns, so that both meet the same neighbours
        ours.append(best(lambda: engine.simulate(market, orders, 1, plan), 1))
        loop.append(best(lambda: bare(close[1:], weight[1:], market.years), 1))
    other = vectorbt_of(python, close[1:], weight[1:])
    print(f"plain costs, {n} instruments x {count} sessions, an order each:")
    print(f"  bars to matrices       {made:8.2f} s  (once for all strategies on them)")
    print(f"  bare numpy loop        {min(loop):8.3f} s")
    print(f"  engine                 {min(ours):8.3f} s  {min(ours) / min(loop):.2f} x the loop")
    if other is not None:
        ends["vectorbt"] = other["equity"]
        print(f"  vectorbt, same record  {other['seconds']:8.3f} s  {other['seconds'] / min(ours):.0f} x")
        print(f"  vectorbt, equity only  {other['alone']:8.3f} s  {other['alone'] / min(ours):.0f} x")
    print("  last equity: " + ", ".join(f"{name} {value:.4f}" for name, value in ends.items()))
    if np.ptp(list(ends.values())) > 0.01:
        raise SystemExit("the equities differ by more than a cent")
    return None if other is None else other["seconds"]


def facts_of(
    bars: pl.DataFrame, told: pl.DataFrame, gone: list[str], end: date, rng: np.random.Generator
) -> Facts:
    """Make listings in yuan, some of which end; splits; exchange rates."""
    common = {"source": pl.lit("b"), "file": pl.lit(""), "known_at": pl.lit(datetime(2000, 1, 1, tzinfo=UTC))}
    listings = (
        bars.select("exchange", "instrument_id")
        .unique()
        .with_columns(
            symbol=pl.col("instrument_id"),
            name=pl.lit(""),
            asset_class=pl.lit("equity"),
            currency=pl.lit("CNY"),
            last=pl.when(pl.col("instrument_id").is_in(gone)).then(pl.lit(end)),
            **common,
        )
    )
    actions = told.select("exchange", "instrument_id", ex_date="date", ratio="ex_factor").with_columns(
        symbol=pl.col("instrument_id"),
        kind=pl.lit("split"),
        amount=pl.lit(None, pl.Float64),
        line=pl.lit(1, pl.Int64),
        **common,
    )
    days = bars["date"].unique().sort()
    rates = {
        "currency": ["CNY"] * len(days),
        "known_at": days.cast(pl.Datetime("us", "UTC")),
        "rate": 0.14 + 0.01 * rng.random(len(days)),
    }
    return Facts(
        LISTINGS.conform(listings), CORPORATE_ACTIONS.conform(actions), pl.DataFrame(rates, schema=RATES)
    )


def everything(close: Floats, weight: Floats, other: float | None, repeats: int) -> None:
    """Every rule on."""
    mic, (count, n) = "XSHG", close.shape
    rng = np.random.default_rng(2)
    split = rng.random(close.shape) < 1 / 252
    split[0] = False
    # Every second one of an instrument takes the one before it back, so that prices stay prices.
    ex = np.where(split, np.where(np.cumsum(split, axis=0) % 2 == 1, 0.5, 2.0), 1.0)
    close = close * np.cumprod(ex, axis=0)
    bars = bars_of(close, mic, ex)
    days = bars["date"].unique().sort()
    gone = [name_of(mic, i) for i in range(0, n, 20)]
    bars = bars.filter(~(pl.col("instrument_id").is_in(gone) & (pl.col("date") > days[count // 2])))
    told = bars.filter(pl.col("ex_factor") != 1.0)
    facts = facts_of(bars, told, gone, days[count // 2], rng)
    grid: Grid = build_grid(first_target(mic, n, days[0]), bars, None)
    plan, market = make_plan(grid, CHINA, EVERYTHING, facts)
    orders = daily_orders(weight[1:]).without(market.ends)
    seconds = best(lambda: engine.simulate(market, orders, 1, plan), repeats)
    beside = "" if other is None else f"  vectorbt with plain costs takes {other / seconds:.0f} x"
    print("every rule on, the same size:")
    print(f"  engine                 {seconds:8.3f} s{beside}")
    print(f"  {len(plan.rules)} rules, {len(plan.charges)} charges, {len(market.ex)} sessions with splits")


def many(strategies: int, n: int, count: int, singles: int) -> None:
    """Many strategies in one pass, and some of them one after the other."""
    mic = "XNYS"
    close = closes(count, n)
    bars = bars_of(close, mic, np.ones_like(close)).with_columns(vwap=pl.lit(None, pl.Float64))
    days = bars["date"].unique(maintain_order=True)
    decided = days.gather_every(21)
    one = pl.DataFrame({"date": decided}).join(
        first_target(mic, n, days[0]).drop("date"), how="cross", maintain_order="left_right"
    )
    rng = np.random.default_rng(3)
    decided_at = pl.lit(datetime(2008, 1, 1, tzinfo=UTC), TARGETS.columns["decided_at"].dtype)
    frames = [
        one.with_columns(
            decided_at=decided_at,
            seed=pl.lit(seed, pl.Int64),
            weight=pl.Series(rng.standard_normal(one.height) / n),
        )
        for seed in range(strategies)
    ]
    each = best(lambda: [engine.run(f, bars, None, COSTS, PLAIN, record=False) for f in frames[:singles]], 1)
    targets = pl.concat(frames)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    together = engine.run(targets, bars, None, COSTS, PLAIN, record=False)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    single = engine.run(frames[0], bars, None, COSTS, PLAIN, record=False).daily
    if not together.daily.filter(pl.col("seed") == 0).equals(single):
        raise SystemExit("a strategy earns something else beside others than alone")
    print(f"{strategies} strategies, {n} instruments x {count} sessions, monthly, from frames to results:")
    print(f"  one after the other    {each / singles * strategies:8.1f} s  (from {singles} of them)")
    print(f"  in one pass            {seconds:8.2f} s  {each / singles * strategies / seconds:.0f} x faster")
    print(f"  memory {peak / 2**20:.2f} GiB at most ({before / 2**20:.2f} before the pass, targets and all)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instruments", type=int, default=2000)
    parser.add_argument("--sessions", type=int, default=2520)
    parser.add_argument("--strategies", type=int, default=1000)
    parser.add_argument("--universe", type=int, default=50, help="instruments of each of the many strategies")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--vectorbt", help="python of an environment that has vectorbt")
    given = parser.parse_args()
    close, weight = closes(given.sessions, given.instruments), weights(given.sessions, given.instruments)
    many(given.strategies, given.universe, given.sessions, singles=10)
    other = plain(close, weight, given.vectorbt, given.repeats)
    everything(close, weight, other, given.repeats)


if __name__ == "__main__":
    main()
