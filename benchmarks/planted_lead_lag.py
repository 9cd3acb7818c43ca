"""Lead-lag on planted leaders: which are found, what is forecast from them, and what in shuffled bars.

    python -m benchmarks.planted_lead_lag [--seeds 3] [--steps 200]

Worlds: `planted` (6 leaders among 24 instruments, a seed each), `xsim` (XSIM itself, 8 among 64), and each of
them shuffled, where nothing may be found. Leaders are screened on what was known at the cutoff, before the
validation window; arms are fitted before the cutoff. The rank IC is of laggers' forecasts with returns of the
year behind the cutoff, over time and laggers (by chance about 1/sqrt(250 laggers), labels overlapping).
`ridge` and `scratch` (the whole network from random weights: no checkpoint is needed) see the leader's window
beside the lagger's, `ridge, own past only` does not. Prints two Markdown tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
import torch

from lim_pipelines.finetune import ridge
from lim_pipelines.finetune.arms import fit_arms
from lim_pipelines.finetune.base import Forecaster, forecast, rank_correlation
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.selection import Selection
from lim_pipelines.finetune.split import split
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.lake import midnight
from lim_pipelines.simulate import xsim
from lim_pipelines.simulate.planted import MIC, Planted, lead_lag, published, shuffled
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec

CUTOFF, END = date(2017, 7, 1), date(2018, 7, 1)
SESSIONS = 1150
TASK = TASKS["lead_lag"]


@dataclass(frozen=True)
class Found:
    """What came out in one world.

    Parameters
    ----------
    world, seed
        Which.
    planted, believed, right
        Number of planted pairs, of believed ones, of believed ones that were planted.
    skill
        Rank IC behind the cutoff by arm; empty where nothing is believed, so nothing is traded.
    """

    world: str
    seed: int
    planted: int
    believed: int
    right: int
    skill: dict[str, float]


def worlds(seeds: int) -> Iterator[tuple[str, int, Planted]]:
    """Yield each world with its name and seed."""
    for seed in range(1, seeds + 1):
        one = lead_lag(seed, count=SESSIONS)
        yield "planted", seed, one
        yield "planted, shuffled", seed, shuffled(one, seed)
    real = simulated()
    yield "xsim", xsim.SEED, real
    yield "xsim, shuffled", xsim.SEED, shuffled(real, xsim.SEED)


def simulated() -> Planted:
    """XSIM's daily bars, as the platform publishes them, and its leaders."""
    made = xsim.simulate(end=END)
    pairs = tuple((f"{MIC}:{leader}", f"{MIC}:{lagger}") for leader, lagger in made.truth.lead_lag)
    return Planted(published(made), pairs)


def spec(bars: pl.DataFrame, seed: int, steps: int) -> StrategySpec:
    """Ask for a strategy of all instruments of a world."""
    return StrategySpec.model_validate(
        {
            "name": "planted_lead_lag",
            "description": "Planted leaders.",
            "task": "lead_lag",
            "universe": {"instruments": bars["instrument_id"].unique().sort().to_list()},
            "horizon": 2,
            "foundation": "xsim_foundation_checkpoint",
            "method": "scratch",
            "controls": ["ridge"],
            "seeds": [seed],
            "fit": {"steps": steps, "batch": 64, "validation_sessions": 126, "judged_sessions": 0},
            "portfolio": {},
        }
    )


def judge(name: str, seed: int, world: Planted, steps: int) -> Found:
    """Screen at the cutoff, fit before it, look behind it."""
    one = spec(world.bars, seed, steps)
    none = pl.DataFrame(schema={"exchange": pl.String, "date": pl.Date, "instrument_id": pl.String})
    past = world.bars.filter(pl.col("known_at") <= midnight(CUTOFF))
    chosen = TASK.select(one, past)
    believed = {(each.leader, each.lagger) for each in chosen.leaders if each.believed}
    right = len(believed & set(world.relations))
    skill = fitted(one, world.bars, past, none, chosen, seed) if believed else {}
    return Found(name, seed, len(world.relations), len(believed), right, skill)


def fitted(
    one: StrategySpec,
    bars: pl.DataFrame,
    past: pl.DataFrame,
    none: pl.DataFrame,
    chosen: Selection,
    seed: int,
) -> dict[str, float]:
    """Fit the arms on what was known at the cutoff, judge them behind it."""
    config = FoundationConfig(
        name="xsim_foundation_checkpoint",
        exchanges=(MIC,),
        asset_classes=("equity",),
        freqs=("1d",),
        context=32,
        horizon=8,
        patch=4,
    )
    known, later = (TASK.samples(one, each, none, chosen) for each in (past, bars))
    asked = later.frame["date"].is_between(CUTOFF, END) & pl.Series(np.isfinite(later.label))
    out = later.at(asked.to_numpy())
    torch.manual_seed(seed)
    arms = fit_arms(one, FoundationModel(config).eval(), known, CUTOFF)
    skill = {arm: said(one, made, out) for (arm, _), made in arms.forecasters.items()}
    alone = ridge.fit(one, without(known), split(one, known, CUTOFF), config.context)
    return skill | {"ridge, own past only": said(one, alone, without(out))}


def without(samples: Samples) -> Samples:
    """Take their leaders away from samples."""
    return replace(samples, others=samples.others[:, :0])


def said(one: StrategySpec, arm: Forecaster, out: Samples) -> float:
    """Rank IC of an arm's forecasts, in units of the expected size."""
    scale = out.scale(one.horizon)
    return rank_correlation(forecast(one, arm, out) / scale, out.label / scale)


def main() -> None:
    """Print which leaders are found, and what is forecast."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="planted worlds")
    parser.add_argument("--steps", type=int, default=200, help="steps of the network")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    found = [judge(*world, settings.steps) for world in worlds(settings.seeds)]
    print(
        markdown(
            ["world", "seed", "planted", "believed", "precision", "recall"],
            [
                [
                    *(each.world, str(each.seed), str(each.planted), str(each.believed)),
                    f"{each.right / each.believed:.2f}" if each.believed else "-",
                    f"{each.right / each.planted:.2f}" if each.planted else "-",
                ]
                for each in found
            ],
        )
    )
    traded = [each for each in found if each.skill]
    names = list(traded[0].skill)
    print()
    print(
        markdown(
            ["world", "seed", *(f"rank IC, {name}" for name in names)],
            [[each.world, str(each.seed), *(f"{each.skill[n]:.3f}" for n in names)] for each in traded],
        )
    )


if __name__ == "__main__":
    main()
