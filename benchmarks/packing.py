"""Ragged windows: packed into full rows against padded to the whole context.

    python -m benchmarks.packing [--size tiny] [--context 256] [--batch 64] [--seconds 8]

Contexts of 1 to all patches, evenly drawn: what short histories and starts of series give. Both learn from
the same windows (the losses are printed) in turns, so a busy machine slows both; packing itself is counted.
Prints windows a CPU second of both, forward and backward, and their ratio.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lim_pipelines.foundation.config import REAL, FoundationConfig
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.packing import inputs_of, patches_of
from lim_pipelines.foundation.series import CALENDAR, VARIABLES
from lim_pipelines.foundation.windows import WindowBatch


def ragged(config: FoundationConfig, seed: int) -> WindowBatch:
    """Noise whose windows begin anywhere."""
    rng = np.random.default_rng(seed)
    batch, length, p = config.batch_size, config.context, len(VARIABLES)
    values = rng.standard_normal((batch, length, p), dtype=np.float32)
    begins = rng.integers(0, length // config.patch, batch) * config.patch
    values[np.arange(length) < begins[:, None]] = np.nan
    return WindowBatch(
        values=values,
        future=rng.standard_normal((batch, config.horizon, p), dtype=np.float32),
        calendar=rng.random((batch, length, len(CALENDAR)), dtype=np.float32),
        freq=np.zeros(batch, dtype=np.int64),
        asset_class=np.zeros(batch, dtype=np.int64),
    )


def main() -> None:
    """Take both kinds of steps in turn and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    changes = {"size": given.size, "context": given.context, "batch_size": given.batch}
    config = FoundationConfig.model_validate(REAL.model_dump() | changes)
    model = FoundationModel(config)
    kinds: dict[str, Callable[[WindowBatch], tuple[Inputs, Tensor]]] = {
        "padded": lambda batch: (Inputs.of(batch), torch.from_numpy(batch.future)),
        "packed": lambda batch: inputs_of(batch, config),
    }
    spent, losses, rows = (dict.fromkeys(kinds, 0.0) for _ in range(3))
    steps, filled = 0, []
    until = time.perf_counter() + given.seconds
    while steps < 2 or time.perf_counter() < until:
        batch = ragged(config, steps)
        for kind, tensors in kinds.items():
            start = time.process_time()
            inputs, future = tensors(batch)
            loss = pretraining_loss(model, inputs, future, torch.Generator().manual_seed(steps))
            torch.autograd.backward(loss)
            if steps:  # the first is warm-up
                spent[kind] += time.process_time() - start
                losses[kind] += loss.item()
                rows[kind] += len(inputs.values)
        filled.append(patches_of(batch.values, config.patch).sum() / (given.context // config.patch))
        steps += 1
    print(
        f"{config.size}, context {config.context}, {given.batch} windows of"
        f" {np.mean(filled) / given.batch:.0%} fill, {steps - 1} steps, one thread"
    )
    print("| | windows / CPU second | rows a step | loss |\n|---|---|---|---|")
    for kind in kinds:
        rate = (steps - 1) * given.batch / spent[kind]
        print(f"| {kind} | {rate:,.0f} | {rows[kind] / (steps - 1):.1f} | {losses[kind] / (steps - 1):.4f} |")
    print(f"\nratio {spent['padded'] / spent['packed']:.2f}")


if __name__ == "__main__":
    main()
