"""What a training step of the foundation model costs, and where it goes.

    python -m benchmarks.foundation_step [--size tiny] [--batch 32]

Prints, for one thread: the measured matrix product, windows gathered a second, a step at the shortest, the
middle and the longest context, and the share of the product's speed that the step's own products reach.
Medians of several repetitions; on a busy machine the best of them is the better guess, so both are printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from lim_pipelines.foundation.config import FREQS, REAL, FoundationConfig
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Series
from lim_pipelines.foundation.windows import Span, WindowStore

REPETITIONS = 15


def seconds(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Best and median seconds of `work`."""
    work()
    found = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - start) / times)
    return min(found), median(found)


def random_series(rows: int, name: str) -> Series:
    rng = np.random.default_rng(len(name))
    clock = np.arange(rows, dtype=np.int64)
    values = rng.standard_normal((rows, len(VARIABLES)), dtype=np.float32)
    calendar = rng.random((rows, len(CALENDAR)), dtype=np.float32)
    return Series(name, "XNYS", "equity", FREQS[2], clock, clock, values, calendar)


def multiplication(d: int) -> float:
    """FLOP a second of a matrix multiplication of the model's kind, best."""
    a, b = torch.randn(2048, d), torch.randn(d, 3 * d)
    best, _ = seconds(lambda: a @ b, 50)
    return 2 * 2048 * d * 3 * d / best


def step_flops(config: FoundationConfig, patches: int) -> float:
    """FLOP in the matrix multiplications of one step's blocks, forward and backward."""
    p = len(VARIABLES)
    tokens = config.batch_size * (1 + p * (patches + config.horizon // config.patch))
    return 6.0 * 8 * config.shape.d_model**2 * config.shape.layers * tokens


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default=REAL.size)
    parser.add_argument("--batch", type=int, default=REAL.batch_size)
    given = parser.parse_args()
    config = FoundationConfig.model_validate(
        REAL.model_dump() | {"size": given.size, "batch_size": given.batch}
    )
    torch.set_num_threads(1)
    series = [random_series(5000, f"s{i}") for i in range(20)]
    store = WindowStore(series, config.context, config.horizon)
    sampler = WindowSampler(store, horizon=config.horizon, patch=config.patch, span=Span(0, 10**9))
    model = FoundationModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    masks = torch.Generator().manual_seed(0)
    speed = multiplication(config.shape.d_model)
    count = sum(p.numel() for p in model.parameters())
    print(
        f"{config.size}: {count:,} parameters, batch {config.batch_size};"
        f" matrix product {speed / 1e9:.0f} GFLOP/s"
    )
    best, middle = seconds(lambda: store.batch(sampler.draw(config.batch_size, 0)), 20)
    print(f"windows: {config.batch_size / middle:,.0f} a second ({config.batch_size / best:,.0f} best)")
    batch = store.batch(sampler.draw(config.batch_size, 0))
    future = torch.from_numpy(batch.future)
    last = config.context // config.patch
    for patches in (1, (last + 1) // 2, last):
        inputs = Inputs.of(batch).last(patches * config.patch)

        def step(inputs: Inputs = inputs, patches: int = patches) -> None:
            # The loss draws a length of 1 .. patches; this seed draws the longest.
            masks.manual_seed(_seed_for(patches))
            optimizer.zero_grad()
            pretraining_loss(model, inputs, future, masks).backward()
            optimizer.step()

        best, middle = seconds(step)
        share = step_flops(config, patches) / best / speed
        print(
            f"context of {patches} patches: {middle * 1e3:.1f} ms a step ({best * 1e3:.1f} best),"
            f" {share:.0%} of the matrix product's speed"
        )


def _seed_for(patches: int) -> int:
    """Seed whose first draw is the longest of `patches` context lengths."""
    from lim_pipelines.foundation.patching import draw_length

    return next(s for s in range(10_000) if draw_length(patches, torch.Generator().manual_seed(s)) == patches)


if __name__ == "__main__":
    main()
