"""What the statistics of luck find where there is nothing, and where there is something: errors and power.

Worlds of many strategies, of which none, or some, have skill. Returns are normal, or those of random
positions in the S&P 500 (`arch`), which have fat tails, volatility in clusters, and one market for all. In
each world every strategy is judged alone (probabilistic Sharpe ratio), deflated by all, by Benjamini and
Hochberg, and by the step-down test; the best is handed to `evaluate.luck` as the leaderboard does it.

    python -m benchmarks.luck
    python -m benchmarks.luck --worlds 200 --days 62 --strategies 30

Worlds with skill are a fifth as many. Printed: share of strategies found, of them false (mean over worlds),
worlds with a false one, planted ones found; beside it what theory says. Half an hour on a busy core, and two
minutes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.bootstrap import resampled_rows, times_drawn
from lim_pipelines.evaluate.confidence_set import confidence_set
from lim_pipelines.evaluate.deflated_sharpe import expected_best, luckiest, moments, probabilistic_sharpe
from lim_pipelines.evaluate.ledger import Ledger
from lim_pipelines.evaluate.luck import Luck, luck
from lim_pipelines.evaluate.superiority import superiority
from lim_pipelines.schemas import TRIAL_RETURNS, TRIALS

Floats = npt.NDArray[np.float64]

LEVEL = 0.05
YEAR = 252
PLANTED = 20
HELD_DAYS = 5
RESAMPLES = 1000


@dataclass
class Tally:
    """What one way of judging found, a value a world.

    Parameters
    ----------
    found, false, planted
        Share of all strategies found; of the found ones without skill (0 where none is); of the skilled.
    any_false
        Whether a strategy without skill was found.
    """

    found: list[float] = field(default_factory=list)
    false: list[float] = field(default_factory=list)
    planted: list[float] = field(default_factory=list)
    any_false: list[bool] = field(default_factory=list)

    def add(self, chosen: npt.NDArray[np.bool_], skilled: int) -> None:
        """Count one world, whose first strategies have skill."""
        wrong = int(chosen[skilled:].sum())
        self.found.append(float(chosen.mean()))
        self.false.append(wrong / max(int(chosen.sum()), 1))
        self.planted.append(float(chosen[:skilled].mean()) if skilled else math.nan)
        self.any_false.append(wrong > 0)


def normal(days: int, strategies: int, rng: np.random.Generator) -> Floats:
    """Independent normal returns, shape (T, N)."""
    return rng.standard_normal((days, strategies))


def random_positions(days: int, strategies: int, rng: np.random.Generator) -> Floats:
    """Go long or short the S&P 500 for a week at a time, by chance; returns, shape (T, N)."""
    from arch.data import sp500

    close = sp500.load()["Adj Close"].to_numpy()
    market = np.diff(np.log(close))
    start = rng.integers(len(market) - days)
    weeks = rng.choice([-1.0, 1.0], (days // HELD_DAYS + 1, strategies))
    seen = market[start : start + days]
    return np.asarray(np.repeat(weeks, HELD_DAYS, axis=0)[:days] * seen[:, None] / seen.std())


WORLDS = {"normal": normal, "S&P 500": random_positions}


def benjamini_hochberg(p: Floats) -> npt.NDArray[np.bool_]:
    """Choose with a false discovery rate of `LEVEL` (Benjamini and Hochberg 1995)."""
    order = np.argsort(p)
    below = np.flatnonzero(p[order] <= LEVEL * np.arange(1, len(p) + 1) / len(p))
    chosen = np.zeros(len(p), dtype=bool)
    chosen[order[: below[-1] + 1 if len(below) else 0]] = True
    return chosen


def best_of(returns: Floats, sharpes: Floats) -> Luck:
    """Judge the best strategy of a world as the leaderboard does."""
    days, strategies = returns.shape
    dates = [date(2000, 1, 1) + timedelta(days=day) for day in range(days)]
    names = {"strategy": "world", "arm": "arm", "simulated": True}
    digests = [str(i) for i in range(strategies)]
    trials = pl.DataFrame({"spec_digest": digests, "sharpe_per_day": sharpes}).with_columns(
        seed=0, days=days, **{name: pl.lit(value) for name, value in names.items()}
    )
    rows = pl.DataFrame(
        {
            "spec_digest": np.repeat(digests, days),
            "date": dates * strategies,
            "net_return": returns.T.ravel(),
        }
    ).with_columns(seed=0, strategy=pl.lit("world"), arm=pl.lit("arm"))
    record = pl.DataFrame({"date": dates, "net_return": returns[:, sharpes.argmax()]})
    return luck(record, "world", None, Ledger(TRIALS.conform(trials), TRIAL_RETURNS.conform(rows)))


def judge(returns: Floats, skilled: int, tallies: dict[str, Tally], seed: int) -> tuple[Luck, bool]:
    """Judge one world; returns what is said of its best, and whether the confidence set lost a best one."""
    days = len(returns)
    of = [moments(record) for record in returns.T]
    sharpes = np.array([one.sharpe for one in of])
    best = luckiest(sharpes)
    alone, deflated = (
        np.array([probabilistic_sharpe(one.sharpe, days, one.skew, one.kurtosis, bar) for one in of])
        for bar in (0.0, best)
    )
    drawn = resampled_rows(days, RESAMPLES, days ** (1 / 3), np.random.default_rng(seed))
    times = times_drawn(drawn)
    tallies["each alone"].add(alone >= 1 - LEVEL, skilled)
    tallies["Benjamini-Hochberg"].add(benjamini_hochberg(1 - alone), skilled)
    tallies["step-down"].add(superiority(returns, times).each <= LEVEL, skilled)
    tallies["deflated"].add(deflated >= 1 - LEVEL, skilled)
    few = returns[:, : max(skilled, 30)]
    inside = confidence_set(few / few.std(axis=0), times, LEVEL)
    return best_of(returns, sharpes), not inside[: skilled or None].all()


def theory(strategies: int, days: int) -> dict[str, str]:
    """Say what is to be expected without any skill."""
    bar = expected_best(strategies, 1.0) + NormalDist().inv_cdf(1 - LEVEL)
    lucky = 1 - NormalDist().cdf(bar) ** strategies
    return {
        "each alone": f"{LEVEL:.1%} found",
        "Benjamini-Hochberg": f"{LEVEL:.0%} of worlds",
        "step-down": f"{LEVEL:.0%} of worlds",
        "deflated": f"{lucky:.2%} of worlds",
    }


def main() -> None:
    """Judge worlds without skill, then with more and more of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--strategies", type=int, default=1000)
    parser.add_argument("--days", type=int, default=2 * YEAR)
    given = parser.parse_args()
    planted = min(PLANTED, given.strategies // 5)
    print(f"{given.worlds} worlds of {given.strategies} strategies, {given.days} days; planted: {planted}")
    expected = theory(given.strategies, given.days)
    for name, make in WORLDS.items():
        for annual in (0.0, 1.0, 2.0, 3.0):
            began = time.perf_counter()
            skilled = planted if annual else 0
            tallies = {way: Tally() for way in expected}
            best, lost = [], []
            for world in range(given.worlds if not annual else max(2, given.worlds // 5)):
                returns = make(given.days, given.strategies, np.random.default_rng(world))
                returns[:, :skilled] += annual / math.sqrt(YEAR)
                found, gone = judge(returns, skilled, tallies, 10_000 + world)
                best.append(found)
                lost.append(gone)
            report(name, annual, tallies, expected if not annual else {})
            pbo = [one.overfitting.probability for one in best if one.overfitting is not None]
            print(
                f"  best of each world: SPA p <= 5 % in {_share(one.p_anything <= LEVEL for one in best)},"
                f" PBO {np.mean(pbo):.2f} (from {min(pbo):.2f} to {max(pbo):.2f}), called better than luck in"
                f" {_share(one.deflated >= 1 - LEVEL for one in best)}; confidence set lost a best one in"
                f" {np.mean(lost):.0%}; {time.perf_counter() - began:.0f} s"
            )


def _share(values: Iterable[bool]) -> str:
    return f"{np.mean(list(values)):.0%}"


def report(name: str, annual: float, tallies: dict[str, Tally], expected: dict[str, str]) -> None:
    """Print one setting."""
    print(f"\n{name}, annual Sharpe ratio of the planted {annual:g}")
    print("| judged | found | of them false | worlds with a false one | planted found | theory |")
    print("|---|---|---|---|---|---|")
    for way, tally in tallies.items():
        power = "–" if not annual else f"{np.mean(tally.planted):.0%}"
        print(
            f"| {way} | {np.mean(tally.found):.2%} | {np.mean(tally.false):.1%} |"
            f" {np.mean(tally.any_false):.0%} | {power} | {expected.get(way, '')} |"
        )


if __name__ == "__main__":
    main()
