"""The pairs of XSIM: the planted ones found and traded, and nothing found where sessions are shuffled.

    python -m benchmarks.planted_pairs [--home HOME] [--seeds 3] [--steps 100] [--pretrain 100]

The example `xsim_pairs` on XSIM, with its six planted pairs among 64 instruments, and on its
control: the sessions of all instruments in one other order, so that who moves with whom stays, and nothing
comes back. Walk forward over 2018, models once a quarter. The market is simulated: profits show that the
machinery works.

With --home what was made is kept, and not made again.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import torch

from lim_pipelines.backtest import engine, metrics
from lim_pipelines.bulk import import_history
from lim_pipelines.evaluate.seeds import SeededSharpes
from lim_pipelines.finetune import store
from lim_pipelines.finetune.plan import plan
from lim_pipelines.finetune.train import fit_cutoff
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.foundation.train import Job, train_cutoffs
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.portfolio.targets import make_targets
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.simulate import xsim
from lim_pipelines.simulate.planted import Planted, shuffled_together
from lim_pipelines.strategies.base import universe_sessions
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.strategies.template import EXAMPLES
from lim_pipelines.walkforward import universe

CUTOFFS = tuple(date(2018, month, 1) for month in (1, 4, 7, 10))
END = date(2019, 1, 1)


def worlds(home: Path) -> dict[str, Lake]:
    """XSIM as it is, and its control."""
    here, there = Lake(str(home / "XSIM" / "lake")), Lake(str(home / "shuffled" / "lake"))
    if here.read(VALIDATED_BARS, as_of=LATEST).head(1).collect().is_empty():
        import_history(here, home / "landing", "XSIM", xsim.FIRST_SESSION, xsim.LAST_SESSION)
    if there.read(VALIDATED_BARS, as_of=LATEST).head(1).collect().is_empty():
        bars = here.read(VALIDATED_BARS, as_of=LATEST, where=pl.col("freq") == "1d").collect()
        rows = shuffled_together(Planted(bars, ()), seed=0).bars
        there.write(VALIDATED_BARS, rows, rows.select(VALIDATED_BARS.partition_key).unique())
    return {"XSIM": here, "shuffled": there}


def pretrain(home: Path, lake: Lake, family: str, steps: int) -> None:
    """Pretrain a backbone for each cutoff, on the world's own bars."""
    config = FOUNDATIONS[family].model_copy(
        update={"steps_first": steps, "steps_continual": max(1, steps // 4), "freqs": ("1d",)}
    )
    job = Job(
        lake=lake.root,
        models=str(home / "models"),
        windows=str(home / "windows"),
        family=family,
        cutoffs=CUTOFFS,
        config=config,
    )
    train_cutoffs(job, lambda _: None)


def walked(home: Path, lake: Lake, spec: StrategySpec) -> tuple[pl.DataFrame, list[tuple[int, int, int]]]:
    """Daily results of every arm and seed; at each cutoff the pairs found: right ones, wrong ones, missed."""
    planted = {(f"XSIM:{min(legs)}", f"XSIM:{max(legs)}") for legs in xsim.simulate().truth.pairs}
    truth = planted if home.name == "XSIM" else set()
    bars = lake.revisions(VALIDATED_BARS, universe(spec)).collect()
    sessions, pieces, found = universe_sessions(spec, END), [], []
    nothing = bars.select("exchange", "date", "instrument_id", "known_at").clear()
    for cutoff, end in zip(CUTOFFS, (*CUTOFFS[1:], END), strict=True):
        todo = plan(lake.root, str(home / "models"), spec, cutoff)
        if not (todo.folder / checkpoint.META).exists():
            fit_cutoff(todo)
        newest = store.read_meta(todo.folder).selection.formations[-1]
        chosen = {(pair.first, pair.second) for pair in newest.pairs if pair.believed}
        found.append((len(chosen & truth), len(chosen - truth), len(truth - chosen)))
        pieces.append(make_targets(spec, cutoff, end, todo.folder, bars, nothing, sessions))
        print(f"{home.name}: {cutoff} decided", flush=True)
    last = lake.read(VALIDATED_BARS, as_of=LATEST, where=universe(spec)).sort(VALIDATED_BARS.key).collect()
    return engine.run(pl.concat(pieces), last, END - timedelta(days=1), spec.costs).daily, found


def lines(world: str, daily: pl.DataFrame, spec: StrategySpec) -> list[tuple[str, ...]]:
    """Lines of the table of results, one an arm."""
    out = []
    for arm in spec.arms:
        own = daily.filter(pl.col("arm") == arm).sort("seed", "date")
        returns = own["net_return"].to_numpy().reshape(own["seed"].n_unique(), -1)
        fund = metrics.performance(metrics.pooled(daily, arm))
        told = "no position"
        if np.ptp(returns) > 0:
            sharpe = SeededSharpes(returns.shape[1]).of(np.asarray(returns))
            told = f"{sharpe.value:.2f} ({sharpe.low:.2f} to {sharpe.high:.2f})"
        figures = (f"{fund['average_gross']:.2f}", f"{fund['turnover_per_year']:.1f}", f"{fund['cagr']:.1%}")
        out.append((world, arm, told, *figures))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--home", type=Path, help="where everything is kept; a temporary folder if absent")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="of fine-tuning")
    parser.add_argument("--pretrain", type=int, default=100, help="steps of the first backbone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    shipped = StrategySpec.from_yaml(EXAMPLES / "xsim_pairs" / "defs.yaml")
    spec = shipped.model_copy(
        update={
            "seeds": tuple(range(1, given.seeds + 1)),
            "fit": shipped.fit.model_copy(update={"steps": given.steps}),
        }
    )
    choices: list[tuple[str, ...]] = []
    results: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder)
        for name, lake in worlds(home).items():
            pretrain(home / name, lake, spec.foundation, given.pretrain)
            daily, found = walked(home / name, lake, spec)
            choices += [(name, str(day), *map(str, one)) for day, one in zip(CUTOFFS, found, strict=True)]
            results += lines(name, daily, spec)
    print(markdown(("world", "cutoff", "right", "wrong", "missed"), choices), end="\n\n")
    print(markdown(("world", "arm", "net Sharpe (95 %)", "gross held", "turnover a year", "CAGR"), results))


if __name__ == "__main__":
    main()
