"""Training and judging variants of the model on the same windows: what the comparisons of the model share.

What does not belong here: which variants are compared (`token_layouts.py`, `objectives.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.augmentations import HELD_OUT, quotes, until
from lim_pipelines.foundation.config import REAL, FoundationConfig
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.quality.worlds import WORLDS, run
from lim_pipelines.foundation.rollout import paths_behind
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.scaling import running_scale
from lim_pipelines.foundation.scores import crps
from lim_pipelines.foundation.series import VARIABLES, Series
from lim_pipelines.foundation.windows import Span, WindowBatch, WindowStore, split_time, store_of
from lim_pipelines.instruments import ASSET_CLASSES

SAMPLES = 64
WARMUP = 20
WINDOWS = 160  # of each exchange and frequency
_CLOSE, _VOLUME = VARIABLES.index("close"), VARIABLES.index("volume")
_ALWAYS = (-(2**62), 2**62)


@dataclass(frozen=True)
class Task:
    """Windows to learn from and windows to be judged on, the latter all behind the former.

    Parameters
    ----------
    name
        What tables call it.
    store, sampler
        Windows to learn from.
    judged
        Windows to be judged on.
    """

    name: str
    store: WindowStore
    sampler: WindowSampler
    judged: WindowBatch


def tasks(config: FoundationConfig) -> list[Task]:
    """Quotes that packages bring along, before 2018, and a simulated world whose volatility clusters."""
    wide = config.model_copy(update={"asset_classes": ASSET_CLASSES})
    return [
        _task("embedded quotes", quotes(None, wide), config),
        _task("simulated GARCH", run(WORLDS["garch"], 12, 3000, 0).series, config),
    ]


def _task(name: str, series: list[Series], config: FoundationConfig) -> Task:
    whole = store_of(series, config)
    split = split_time(whole, HELD_OUT)
    rules = {"horizon": config.horizon, "patch": config.patch}
    past = store_of(until(series, split), config)
    behind = WindowSampler(whole, span=Span(split, _ALWAYS[1]), **rules).spread(WINDOWS)
    picks = np.concatenate(list(behind.values()))
    return Task(name, past, WindowSampler(past, span=Span(*_ALWAYS), **rules), whole.batch(picks))


def made(seed: int, **how: object) -> FoundationModel:
    """Untrained model of the real family with other settings."""
    torch.manual_seed(seed)
    return FoundationModel(FoundationConfig.model_validate(REAL.model_dump() | how))


def trained(model: FoundationModel, task: Task, seed: int, steps: int) -> Iterator[float]:
    """Train a model in place; gives the CPU seconds of each step, so that judging it between is free."""
    config = model.config
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), fused=True)
    for step in range(steps):
        start = time.process_time()
        model.train()
        warm, falling = (step + 1) / WARMUP, (steps - step) / (0.3 * steps)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, warm, falling)
        batch = task.store.batch(task.sampler.draw(config.batch_size, seed, step))
        dice = torch.Generator().manual_seed(seed * 1_000_003 + step)
        optimizer.zero_grad()
        pretraining_loss(model, Inputs.of(batch), torch.from_numpy(batch.future), dice).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield time.process_time() - start


@torch.inference_mode()
def judge(model: FoundationModel, task: Task) -> dict[str, float]:
    """CRPS of whole horizons, on the scale of the context, which is the same for every model.

    Returns
    -------
    dict
        `bars`: mean over bars of close and volume; `return`: sum of the closes over the root of the horizon;
        `volatility`: root mean square of the closes.
    """
    model.eval()
    horizon, batch = task.judged.future.shape[1], task.judged
    parts = paths_behind(model, batch, horizon, SAMPLES, 0, torch.device("cpu"))
    paths = torch.cat([part.drawn for part in parts], dim=1)
    context = torch.from_numpy(batch.values)
    scale = running_scale(context, context.isfinite(), VARIABLES, context.shape[1]).last()
    # The sum of returns and their squares keep the natural zero, so all of it can be scored on one scale.
    drawn, truth = (
        (values - scale.location) / scale.spread for values in (paths, torch.from_numpy(batch.future))
    )
    closes, close = drawn[..., _CLOSE], truth[..., _CLOSE]
    bars = [crps(drawn[..., at], truth[..., at]).nanmean() for at in (_CLOSE, _VOLUME)]
    return {
        "bars": float(sum(bars)) / len(bars),
        "return": float(crps(closes.sum(-1), close.sum(-1)).nanmean()) / horizon**0.5,
        "volatility": float(crps(closes.square().mean(-1).sqrt(), close.square().mean(-1).sqrt()).nanmean()),
    }
