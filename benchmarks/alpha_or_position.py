"""Alpha and then a portfolio, or the position at once: both for the same universes, compared net of costs.

    python -m benchmarks.alpha_or_position [--home HOME] [--seeds 3] [--steps 100] [--pretrain 200]
        [--costs 1 5] [--worlds xsim real]

Two worlds: the cross-section of XSIM, whose structure is known, and the embedded real indices and crude oil,
each for itself. Of each, one strategy says quantiles of the return and leaves positions to the portfolio
(Markowitz; tanh of the forecast), the other is fitted on the portfolio's Sharpe ratio after costs. Backbone,
samples, steps, rate, batch and seeds are the same; both decide every five sessions but the directional alpha,
which decides every session. Walk forward: models of a cutoff see nothing known after it, and decide until the
next one.

With --home what was made is kept, and not made again.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from lim_pipelines.backtest import engine, metrics
from lim_pipelines.bulk import import_history
from lim_pipelines.evaluate.seeds import Estimate, SeededSharpes
from lim_pipelines.finetune.features import read_features
from lim_pipelines.finetune.plan import plan
from lim_pipelines.finetune.train import fit_cutoff
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.foundation.train import Job, train_cutoffs
from lim_pipelines.lake import LATEST, Lake, midnight
from lim_pipelines.portfolio.targets import make_targets
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.strategies.base import universe_sessions
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.walkforward import universe

FIRST, END = date(1998, 1, 1), date(2019, 1, 1)
HORIZON = 5


@dataclass(frozen=True)
class World:
    """A universe with what is particular to it.

    Parameters
    ----------
    name, task, family
        For people; task; family of checkpoints.
    universe, portfolio, position, fit
        As in YAML: whose positions, what an alpha's portfolio and a position are limited by, validation.
    exchanges
        What is imported.
    cutoffs
        Models are fitted at these, and the last ones decide until `END`.
    """

    name: str
    task: str
    family: str
    universe: dict[str, Any]
    portfolio: dict[str, Any]
    position: dict[str, Any]
    fit: dict[str, Any]
    exchanges: tuple[str, ...]
    cutoffs: tuple[date, ...]

    def spec(self, output: str, seeds: int, steps: int, costs: float) -> StrategySpec:
        """Strategy of one output."""
        fit = {"steps": steps, "batch": 32, "sample_every": HORIZON, "judged_sessions": 0, **self.fit}
        return StrategySpec.model_validate(
            {
                "name": f"{self.name}_{output}",
                "description": "Benchmark.",
                "task": self.task,
                "universe": self.universe,
                "horizon": HORIZON,
                "foundation": self.family,
                "method": "head",
                "controls": ["ridge"],
                "output": output,
                "costs": {"multiplier": costs},
                "seeds": list(range(1, seeds + 1)),
                "fit": fit,
                **({"portfolio": self.portfolio} if output == "alpha" else {"position": self.position}),
            }
        )


WORLDS = (
    World(
        name="xsim",
        task="cross_sectional",
        family="xsim_foundation_checkpoint",
        universe={"exchanges": ["XSIM"]},
        portfolio={"risk_aversion": 10.0, "gross": 1.0, "max_position": 0.05, "rebalance_every": HORIZON},
        position={"gross": 1.0, "max_position": 0.05},
        fit={"validation_sessions": 126},
        exchanges=("XSIM",),
        cutoffs=tuple(date(year, 1, 1) for year in (2016, 2017, 2018)),
    ),
    World(
        name="real",
        task="directional",
        family="foundation_checkpoint",
        universe={"instruments": ["XNYM:WTI", "XNYS:SPX", "XNAS:IXIC"]},
        portfolio={"vol_target": 0.1},
        position={"vol_target": 0.1},
        fit={"validation_sessions": 504},
        exchanges=("XNAS", "XNYS", "XNYM"),
        cutoffs=tuple(date(year, 1, 1) for year in (2013, 2015, 2017)),
    ),
)


def prepare(home: Path, world: World, steps: int) -> Lake:
    """Import quotes and pretrain backbones, where they are not there."""
    lake = Lake(str(home / "lake"))
    for mic in world.exchanges:
        there = lake.read(VALIDATED_BARS, as_of=LATEST, where=pl.col("exchange") == mic)
        if there.head(1).collect().is_empty():
            import_history(lake, home / "landing", mic, FIRST, END - timedelta(days=1))
    config = FOUNDATIONS[world.family].model_copy(
        update={"steps_first": steps, "steps_continual": max(1, steps // 4), "freqs": ("1d",)}
    )
    job = Job(
        lake=lake.root,
        models=str(home / "models"),
        windows=str(home / "windows"),
        family=world.family,
        cutoffs=world.cutoffs,
        config=config,
    )
    train_cutoffs(job, lambda _: None)
    return lake


def record(home: Path, lake: Lake, world: World, spec: StrategySpec) -> pl.DataFrame:
    """Fit, decide and pay: daily results of every arm and seed, with the metrics of each as columns."""
    bars = lake.revisions(VALIDATED_BARS, universe(spec)).collect()
    inputs = read_features(lake, spec, bars, midnight(END))
    sessions = universe_sessions(spec, END)
    pieces = []
    for cutoff, end in zip(world.cutoffs, (*world.cutoffs[1:], END), strict=True):
        todo = plan(lake.root, str(home / "models"), spec, cutoff)
        if not (todo.folder / checkpoint.META).exists():
            fit_cutoff(todo)
        pieces.append(make_targets(spec, cutoff, end, todo.folder, bars, inputs, sessions))
        print(f"{spec.name}, costs x {spec.costs.multiplier:g}: {cutoff} decided", flush=True)
    last = lake.read(VALIDATED_BARS, as_of=LATEST, where=universe(spec)).sort(VALIDATED_BARS.key).collect()
    return engine.run(pl.concat(pieces), last, END - timedelta(days=1), spec.costs).daily


def returns(daily: pl.DataFrame, arm: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Net daily returns of an arm, (seeds, days)."""
    own = daily.filter(pl.col("arm") == arm).sort("seed", "date")
    return np.asarray(own["net_return"].to_numpy().reshape(own["seed"].n_unique(), -1))


def told(estimate: Estimate) -> str:
    """Write a figure and its interval."""
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def rows_of(world: World, costs: float, records: dict[str, pl.DataFrame]) -> list[Sequence[str]]:
    """Lines of the table: each output by each arm, beside what position gains over alpha."""
    out = []
    # Both outputs are judged on the days that both have.
    common = set.intersection(*(set(daily["date"].to_list()) for daily in records.values()))
    judged = {name: daily.filter(pl.col("date").is_in(list(common))) for name, daily in records.items()}
    sharpes = SeededSharpes(len(common))
    for arm in ("head", "ridge"):
        for output, daily in judged.items():
            pool = metrics.performance(metrics.pooled(daily, arm))
            own = returns(daily, arm)
            gain = sharpes.gain((own, returns(judged["alpha"], arm)))
            out.append(
                (
                    f"{world.name} x {costs:g}",
                    f"{output}, {arm}",
                    told(sharpes.of(own)),
                    f"{pool['gross_sharpe']:.2f}",
                    f"{pool['cagr']:.1%}",
                    f"{pool['volatility']:.1%}",
                    f"{pool['turnover_per_year']:.1f}",
                    f"{pool['cost_per_year']:.2%}",
                    "" if output == "alpha" else told(gain),
                )
            )
    return out


HEADER = (
    *("world x costs", "output, arm", "net Sharpe (95 %)", "gross Sharpe of the fund", "CAGR", "volatility"),
    *("turnover a year", "costs a year", "gain over alpha (95 %)"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--home", type=Path, help="where everything is kept; a temporary folder if absent")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="of fine-tuning")
    parser.add_argument("--pretrain", type=int, default=200, help="steps of the first backbone")
    parser.add_argument(
        "--costs", type=float, nargs="+", default=[1.0, 5.0], help="times the exchanges' own rates"
    )
    names = [world.name for world in WORLDS]
    parser.add_argument("--worlds", nargs="+", default=names, choices=names)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Sequence[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder)
        for world in [one for one in WORLDS if one.name in given.worlds]:
            lake = prepare(home, world, given.pretrain)
            for costs in given.costs:
                specs = [world.spec(name, given.seeds, given.steps, costs) for name in ("alpha", "position")]
                records = {one.output: record(home, lake, world, one) for one in specs}
                found = rows_of(world, costs, records)
                print(markdown(HEADER, found), flush=True)
                rows += found
    print(markdown(HEADER, rows))


if __name__ == "__main__":
    main()
