"""Which token layout learns the most windows a second, at the same validation loss.

    python -m benchmarks.token_layouts [--seconds 20] [--seeds 2]

Every layout trains for the same CPU seconds, one thread, from the same windows, and is judged in between.
The loss that counts is the worst layout's final CRPS: who reaches it sooner, and on how many windows.
Tokens of one variable are seven times as many: `variable` attends over all of them at once, `two_level`
over time and over variables in turn.
"""

from __future__ import annotations

import argparse
from statistics import mean

import torch

from benchmarks.foundation_arms import Task, judge, made, tasks, trained
from lim_pipelines.foundation.config import REAL

LAYOUTS = ("patch", "variable", "two_level")
LOOKS = 6
Curve = list[tuple[float, int, float]]
"""CPU seconds of training, windows, CRPS."""


def curve(layout: str, task: Task, seed: int, seconds: float) -> Curve:
    """Train for some seconds and look at the loss in between."""
    model = made(seed, layout=layout)
    found: Curve = []
    # The schedule must know its length: the time of some steps tells it.
    warm = list(trained(made(seed, layout=layout), task, seed, 4))
    steps = max(LOOKS, round(seconds / min(warm)))
    spent = 0.0
    for step, cost in enumerate(trained(model, task, seed, steps), start=1):
        spent += cost
        if step % (steps // LOOKS) == 0:
            found.append((spent, step * model.config.batch_size, judge(model, task)["bars"]))
    return found


def main() -> None:
    """Train all layouts and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| data | layout | windows/s | CRPS at the end | seconds to the worst one's CRPS | windows to there |"
    )
    print("|---|---|---|---|---|---|")
    for task in tasks(REAL):
        curves = {
            layout: [curve(layout, task, seed, given.seconds) for seed in range(given.seeds)]
            for layout in LAYOUTS
        }
        worst = max(mean(one[-1][2] for one in each) for each in curves.values())
        for layout, each in curves.items():
            rate = mean(one[-1][1] / one[-1][0] for one in each)
            last = mean(one[-1][2] for one in each)
            reached = [next(((s, w) for s, w, loss in one if loss <= worst), one[-1][:2]) for one in each]
            seconds, windows = (mean(part) for part in zip(*reached, strict=True))
            print(
                f"| {task.name} | {layout} | {rate:.0f} | {last:.4f} | {seconds:.1f} | {windows:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
