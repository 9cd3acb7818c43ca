"""What a training step of the foundation model costs: model FLOPs a second over those of a matrix product.

    python -m benchmarks.foundation_step [--sizes tiny base] [--tokens 8192] [--threads 1] [--compiled]

Forward, backward and AdamW of one step, against two products of the same type measured in the same run: a
large square one (2048 x 2048), before and after, and the model's own widest (tokens x d by d x 4 d). FLOPs
are those of `foundation/flops.py`: products and attention, nothing else. Seconds are CPU seconds of the
process, the best of several, which others disturb least; with more than one thread, seconds by the clock.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import get_args

import torch

from lim_pipelines.foundation.config import REAL, FoundationConfig, Size
from lim_pipelines.foundation.flops import tokens_of, training_flops
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.series import CALENDAR, VARIABLES

CONTEXT, HORIZON = 512, 32
REPETITIONS = 5
SQUARE = 2048
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def best(work: Callable[[], object], clock: Callable[[], float], times: int) -> float:
    """Least seconds of some repetitions, after one that warms up."""
    work()
    found = []
    for _ in range(times):
        start = clock()
        work()
        found.append(clock() - start)
    return min(found)


def product(rows: int, inner: int, columns: int, kind: torch.dtype, clock: Callable[[], float]) -> float:
    """FLOP a second of a matrix product."""
    a, b = torch.randn(rows, inner).to(kind), torch.randn(columns, inner).to(kind)
    seconds = best(lambda: torch.nn.functional.linear(a, b), clock, 2 * REPETITIONS)
    return 2 * rows * inner * columns / seconds


def stepper(model: FoundationModel, batch: int, kind: torch.dtype) -> Callable[[], None]:
    """Make one training step on random windows."""
    config = model.config
    nobody = torch.zeros(batch, dtype=torch.long)
    inputs = Inputs(
        torch.randn(batch, CONTEXT, len(VARIABLES)), torch.rand(batch, CONTEXT, len(CALENDAR)), nobody, nobody
    )
    future = torch.randn(batch, config.horizon, len(VARIABLES))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        dice = torch.Generator().manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=kind is torch.bfloat16):
            loss = pretraining_loss(model, inputs, future, dice)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=get_args(Size), default=["tiny", "small", "base"])
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compiled", action="store_true", help="compile the backbone, too: minutes")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    clock = time.process_time if given.threads == 1 else time.perf_counter
    print(
        "| size | parameters | type | step, ms | windows/s | GFLOP/s | of the square | of its own product |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for size in given.sizes:
        config = FoundationConfig.model_validate(
            REAL.model_dump() | {"size": size, "context": CONTEXT, "horizon": HORIZON}
        )
        batch, d = given.tokens // tokens_of(config), config.shape.d_model
        for name, kind in TYPES.items():
            model = FoundationModel(config)
            if given.compiled:
                model.backbone.compile()
            step = stepper(model, batch, kind)
            before, own = (
                product(SQUARE, SQUARE, SQUARE, kind, clock),
                product(given.tokens, d, 4 * d, kind, clock),
            )
            seconds = best(step, clock, REPETITIONS)
            square = max(before, product(SQUARE, SQUARE, SQUARE, kind, clock))
            rate = training_flops(model) * batch / seconds
            count = sum(p.numel() for p in model.parameters())
            print(
                f"| {size} | {count:,} | {name}{', compiled' * given.compiled} | {seconds * 1e3:.0f} |"
                f" {batch / seconds:.0f} | {rate / 1e9:.0f} | {rate / square:.2f} | {rate / own:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
