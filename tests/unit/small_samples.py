"""Samples of the small world without a lake: bars alone, no features."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import polars as pl
from strategy_world import CUTOFF, NAMES, market, spec

from lim_pipelines.finetune.features import DECISION
from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.schemas import MODEL_INPUTS
from lim_pipelines.strategies.spec import StrategySpec

NO_INPUTS = pl.DataFrame(schema={name: MODEL_INPUTS.schema[name] for name in DECISION})


@lru_cache
def bars_of(task: str) -> pl.DataFrame:
    return market(end=CUTOFF, names=("XNYM:WTI",) if task == "directional" else NAMES)


def samples_of(one: StrategySpec) -> Samples:
    return build_samples(one, bars_of(one.task), NO_INPUTS)


def position_spec(task: str, **changes: Any) -> StrategySpec:
    """A strategy whose models say positions."""
    content: dict[str, Any] = {
        "output": "position",
        "portfolio": {},
        "features": [],
        "position": {} if task == "directional" else {"max_position": 0.3},
        "fit": {"steps": 60, "batch": 32, "validation_sessions": 60},
    }
    return spec(task, **content | changes)
