"""The linear control on every path through history: a small world with planted momentum, and one without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from strategy_world import CUTOFF, PERIOD_END, inputs, macro, market, put_checkpoint, put_lake, spec

from lim_pipelines.evaluate.paths import history_paths, paths_table
from lim_pipelines.finetune import train
from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.lake import midnight
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


def test_of_all_strategies_those_that_have_models(tmp_path: Path) -> None:
    bars = market(end=PERIOD_END)
    lake = put_lake(tmp_path / "lake", bars, macro())
    put_checkpoint(tmp_path / "models", SPEC.foundation, CUTOFF)
    train.train(
        {
            "lake": str(lake.root),
            "models": str(tmp_path / "models"),
            "strategy": SPEC.model_dump(mode="json"),
            "cutoffs": [CUTOFF.isoformat()],
        }
    )
    found = paths_table(lake, tmp_path / "models", [SPEC, spec("directional", name="untrained")])
    row = found.row(0, named=True)
    assert (found.height, row["strategy"], row["cutoff"]) == (1, SPEC.name, CUTOFF)
    assert 0.02 < row["rank_ic_lowest"] < row["rank_ic_median"] < row["rank_ic_highest"]
    # What became known after the cutoff changes nothing.
    earlier = put_lake(tmp_path / "earlier", bars.filter(pl.col("known_at") <= midnight(CUTOFF)), macro())
    assert paths_table(earlier, tmp_path / "models", [SPEC]).equals(found)
