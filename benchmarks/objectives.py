"""Which objective and which head forecast whole horizons best, at the same compute.

    python -m benchmarks.objectives [--steps 150] [--seeds 2]

All arms get the FLOPs (`foundation/flops.py`) that `--steps` steps of the default take, one thread, the
same windows in the same order. They are judged by the CRPS of paths over the whole horizon, on the
context's scale: bars of close and volume, the return of the horizon, its volatility; in brackets the
deviation over seeds. `next_patch` is rolled out patch by patch, which is why the horizon here is three
patches.
"""

from __future__ import annotations

import argparse
from statistics import mean, stdev

import torch

from benchmarks.foundation_arms import judge, made, tasks, trained
from lim_pipelines.foundation.config import REAL
from lim_pipelines.foundation.flops import training_flops

HORIZON = 3 * REAL.patch
ARMS: dict[str, dict[str, str]] = {
    "horizon, mixture": {},
    "next_patch, mixture": {"objective": "next_patch"},
    "masked, mixture": {"objective": "masked"},
    "horizon, quantile": {"head": "quantile"},
    "horizon, categorical": {"head": "categorical"},
    "horizon, point": {"head": "point"},
}


def main() -> None:
    """Train all arms and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| data | objective, head | steps | CPU s | CRPS of bars | of the return | of the volatility |")
    print("|---|---|---|---|---|---|---|")
    budget = given.steps * training_flops(made(0, horizon=HORIZON))
    for task in tasks(REAL.model_copy(update={"horizon": HORIZON})):
        for arm, how in ARMS.items():
            found, cost = [], 0.0
            steps = max(1, round(budget / training_flops(made(0, horizon=HORIZON, **how))))
            for seed in range(given.seeds):
                model = made(seed, horizon=HORIZON, **how)
                cost += sum(trained(model, task, seed, steps)) / given.seeds
                found.append(judge(model, task))
            cells = [
                f"{mean(one[name] for one in found):.4f} ({_spread([one[name] for one in found]):.4f})"
                for name in found[0]
            ]
            print(f"| {task.name} | {arm} | {steps} | {cost:.1f} | {' | '.join(cells)} |", flush=True)


def _spread(values: list[float]) -> float:
    """Return the standard deviation over seeds; 0 for one seed."""
    return stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
