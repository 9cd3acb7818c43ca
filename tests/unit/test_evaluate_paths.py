"""The linear control on every path through history: a small world with planted momentum, and one without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategy_world import CUTOFF, inputs, market, spec

from lim_pipelines.evaluate.paths import history_paths
from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.schemas import VALIDATED_MACRO

SPEC = spec()
CONTEXT = 16


@pytest.fixture(scope="module")
def samples() -> Samples:
    bars = market(end=CUTOFF)
    return build_samples(SPEC, bars, inputs(SPEC, bars, VALIDATED_MACRO.empty(), CUTOFF))


def test_planted_momentum_is_found_on_every_path(samples: Samples) -> None:
    found = history_paths(SPEC, samples, CONTEXT)
    assert found.rank_ic.shape == found.r2.shape == (5,)
    assert found.rank_ic.min() > 0.02
    assert len(set(found.rank_ic.tolist())) == 5


def test_shuffled_labels_are_not(samples: Samples) -> None:
    order = np.random.default_rng(0).permutation(len(samples))
    found = history_paths(SPEC, replace(samples, label=samples.label[order]), CONTEXT)
    assert abs(found.rank_ic.mean()) < 0.03
    assert found.r2.max() < 0.01
