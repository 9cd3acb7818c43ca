"""The model on data whose true distribution is known: its CRPS over the oracle's, world by world.

    python -m benchmarks.known_answers [--steps 2000] [--seeds 1] [--size tiny]

One model learns from all worlds at once and has to find out from the context which one it is in. It is asked
about instruments and times that it never saw; so are the baselines. 1.00 is the oracle; less is luck. On pure
noise nobody can beat the unconditional distribution, and whoever is far above 1 there sees ghosts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import torch

from lim_pipelines.foundation.baselines.base import Forecaster
from lim_pipelines.foundation.baselines.registry import BASELINES
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.quality.entrants import Baseline, Lim
from lim_pipelines.foundation.quality.harness import before
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.foundation.quality.targets import TARGETS, judged
from lim_pipelines.foundation.quality.worlds import WORLDS, Run, runs
from lim_pipelines.foundation.series import Floats, Ints
from lim_pipelines.foundation.windows import store_of

INSTRUMENTS, BARS, CUTOFF = 48, 900, 700
PATHS = 200
SHOWN = ("persistence", "ewma", "garch", "ridge")


def picks_of(run: Run, config: FoundationConfig) -> Ints:
    """Windows behind the cutoff, of the half of the instruments that nobody learns from."""
    new = range(len(run.series) // 2, len(run.series))
    ends = range(CUTOFF, BARS - config.horizon, config.horizon)
    return np.array([(at, row) for at in new for row in ends], dtype=np.int64)


def ratios(run: Run, config: FoundationConfig, forecasters: Sequence[Forecaster]) -> list[dict[str, float]]:
    """Mean CRPS over the oracle's by target, of each forecaster."""
    picks = picks_of(run, config)
    batch = store_of(run.series, config).batch(picks)

    def means(paths: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        found = judged(paths, batch)
        return np.array([np.nanmean(found[f"crps_{target}"]) for target in TARGETS])

    oracle = means(run.paths(picks, config.horizon, PATHS, 1))
    return [
        dict(zip(TARGETS, means(one.sample(batch, config.horizon, PATHS, 2)) / oracle, strict=True))
        for one in forecasters
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--size", default="tiny")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    worlds = runs(list(WORLDS), INSTRUMENTS, BARS, seed=0)
    config = FoundationConfig.model_validate(
        {
            "name": "known",
            "exchanges": list(WORLDS),
            "asset_classes": ("equity",),
            "freqs": ("1d",),
            "size": options.size,
            "context": 128,
            "horizon": 16,
            "patch": 16,
            "steps_first": options.steps,
        }
    )
    cutoff = int(worlds[0].series[0].ts[CUTOFF])
    past = before([one for run in worlds for one in run.series[: INSTRUMENTS // 2]], cutoff)
    baselines = [Baseline(BASELINES[name], config, 2000).at(cutoff, past) for name in SHOWN]
    models = [Lim(config, seed).at(cutoff, past) for seed in range(options.seeds)]
    rows = []
    for run in worlds:
        found = ratios(run, config, [*baselines, *models])
        lim = {t: float(np.mean([one[t] for one in found[len(SHOWN) :]])) for t in TARGETS}
        for target in TARGETS:
            cells = [f"{one[target]:.3f}" for one in (lim, *found[: len(SHOWN)])]
            rows.append((f"{run.world.name}, {target}", *cells))
    print(markdown(("world, target", "LIM", *SHOWN), rows))
    print(
        f"\n{options.size}, {options.steps} steps, {options.seeds} seeds, {time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
