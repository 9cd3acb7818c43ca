"""Heads of many strategies from shared embeddings, against fine-tuning the whole model a few times.

    python -m benchmarks.shared_embeddings [--size small] [--strategies 100] [--instruments 40] [--steps 64]

A simulated market without structure: only the cost counts. The strategies differ in universe (half of the
instruments), horizon and learning rate, and know nothing of each other; their heads take the embeddings that
the first ones leave in the checkpoint's folder. A full fine-tune has the same samples, steps and batches as
the first of them. CPU seconds of one thread; files of embeddings included. Exit code 1 if the heads cost as
much as three full fine-tunes or more.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.registry import METHODS
from lim_pipelines.finetune.samples import Samples, samples_of
from lim_pipelines.finetune.shared import Shared
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import split
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import XSIM, FoundationConfig
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.schemas import MODEL_INPUTS
from lim_pipelines.simulate.planted import bars_of, market

FULL = 3
"""Full fine-tunes that all heads together must cost less than."""

HORIZONS = (1, 5, 10, 20)


def spec_of(steps: int, number: int) -> ModelSpec:
    """Make the n-th strategy."""
    content: dict[str, Any] = {
        "name": f"strategy_{number}",
        "description": "One of many.",
        "task": "directional",
        "universe": {"exchanges": ["XSIM"]},
        "horizon": HORIZONS[number % len(HORIZONS)],
        "foundation": "xsim_foundation_checkpoint",
        "method": "head",
        "fit": {"steps": steps, "learning_rate": 1e-3 * (1 + number % 5)},
    }
    return ModelSpec.model_validate(content)


def timed(run: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def main() -> None:
    """Fit them all and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="small")
    parser.add_argument("--strategies", type=int, default=100)
    parser.add_argument("--instruments", type=int, default=40)
    parser.add_argument("--sessions", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    world = market(0, given.instruments, given.sessions)
    bars = bars_of(0, world, world.own)
    nothing = MODEL_INPUTS.empty()
    by_horizon = {h: samples_of(bars, nothing, [], h) for h in HORIZONS}
    rng = np.random.default_rng(0)
    backbone = FoundationModel(FoundationConfig.model_validate(XSIM.model_dump() | {"size": given.size}))

    def job(number: int, folder: Path) -> Job:
        spec = spec_of(given.steps, number)
        everything: Samples = by_horizon[spec.horizon]
        half = rng.choice(given.instruments, given.instruments // 2, replace=False)
        mine = everything.at(np.isin(everything.picks[:, 0], half))
        parts = split(spec, mine, date(2100, 1, 1))
        return Job(spec, Shared(backbone, folder), mine, parts, seed=number)

    with TemporaryDirectory() as root:
        folder = Path(root)
        save_file(
            {name: one.contiguous() for name, one in backbone.state_dict().items()},
            folder / checkpoint.WEIGHTS,
        )
        jobs = [job(number, folder) for number in range(given.strategies)]
        full = timed(lambda: METHODS["full"](jobs[0]))
        heads = [timed(lambda one=one: METHODS["head"](one)) for one in jobs]
        kept = sum(path.stat().st_size for path in (folder / checkpoint.EMBEDDINGS).iterdir())
    windows = len(jobs[0].split.fit) + len(jobs[0].split.validation)
    print(
        f"{given.size}, {windows} windows a strategy, {given.steps} steps, embeddings {kept / 2**20:.0f} MB\n"
    )
    print("| | CPU seconds |\n|---|---|")
    print(f"| one full fine-tune | {full:.1f} |\n| {FULL} of them | {FULL * full:.1f} |")
    print(f"| the first head, with its embeddings | {heads[0]:.1f} |")
    print(f"| a head whose embeddings are there (median) | {np.median(heads):.2f} |")
    print(f"| {len(heads)} strategies' heads | {sum(heads):.1f} |")
    sys.exit(int(sum(heads) >= FULL * full))


if __name__ == "__main__":
    main()
