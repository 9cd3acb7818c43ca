"""What each fine-tuning method takes: weights that move, time, memory, bytes in the model's file.

    python -m benchmarks.finetuning_methods [--size tiny] [--instruments 8] [--sessions 1000] [--steps 64]

A simulated market without structure, all methods on the same samples, one thread; what they are worth is
another question (`benchmarks/papers_claim.py`). Prints the table of docs/finetuning.md.
"""

from __future__ import annotations

import argparse
import time
from datetime import date

import torch

from benchmarks.shared_embeddings import spec_of
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.registry import METHODS
from lim_pipelines.finetune.network import FrozenNetwork, Network
from lim_pipelines.finetune.samples import samples_of
from lim_pipelines.finetune.shared import Shared
from lim_pipelines.finetune.split import split
from lim_pipelines.foundation.config import XSIM, FoundationConfig
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.schemas import MODEL_INPUTS
from lim_pipelines.simulate.planted import bars_of, market


def main() -> None:
    """Fit every method once and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--instruments", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec = spec_of(given.steps, 0)
    world = market(0, given.instruments, given.sessions)
    samples = samples_of(bars_of(0, world, world.own), MODEL_INPUTS.empty(), [], spec.horizon)
    backbone = FoundationModel(FoundationConfig.model_validate(XSIM.model_dump() | {"size": given.size}))
    parts = split(spec, samples, date(2100, 1, 1))
    print("| method | weights that move | CPU seconds | memory of a step, MB | file, KB |")
    print("|---|---|---|---|---|")
    for name, fit in METHODS.items():
        started = time.process_time()
        network, fitted = fit(Job(spec, Shared(backbone, None), samples, parts, 0))
        seconds = time.process_time() - started
        assert isinstance(network, Network | FrozenNetwork)
        size = sum(one.numel() * one.element_size() for one in network.moved().values()) / 2**10
        print(f"| {name} | {fitted.trainable:,} | {seconds:.1f} | {fitted.memory_mb:.1f} | {size:,.0f} |")


if __name__ == "__main__":
    main()
