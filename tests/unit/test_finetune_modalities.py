"""A strategy without one of its modalities: fitted so, decides so, and is stored so."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from strategy_world import CUTOFF, config, inputs, macro, market, put_checkpoint, spec

from lim_pipelines.finetune import store
from lim_pipelines.finetune.arms import Arms, fit_arms
from lim_pipelines.finetune.modalities import Without, hidden, hidden_columns
from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.finetune.spec import WITHOUT, Hiding
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.inputs.registry import BLOCKS

torch.set_num_threads(1)
ONE = spec(
    "directional",
    method="head",
    controls=["without_macro"],
    seeds=[1],
    fit={"steps": 10, "batch": 16, "validation_sessions": 40},
)
BARS = market(seed=1, end=CUTOFF, names=("XNYM:WTI",))


@pytest.fixture(scope="module")
def fitted() -> tuple[Samples, Arms]:
    torch.manual_seed(0)
    backbone = FoundationModel(config(ONE.foundation)).eval()
    samples = build_samples(ONE, BARS, inputs(ONE, BARS, macro(), CUTOFF))
    return samples, fit_arms(ONE, backbone, samples, CUTOFF)


def test_every_block_may_be_left_out_by_name() -> None:
    assert set(get_args(Hiding)) == {WITHOUT + block for block in BLOCKS}


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"controls": ["without_text"]}, "controls: without_text takes away what is not there"),
        ({"controls": [], "features": [], "fusion": "gate"}, "fusion: there are no features to join"),
    ],
)
def test_what_cannot_be_left_out_or_joined_is_refused(changes: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        spec("directional", **changes)


def test_the_control_reads_no_number_of_the_modality(fitted: tuple[Samples, Arms]) -> None:
    samples, arms = fitted
    wild = replace(samples, features=np.full_like(samples.features, 100.0))
    own, control = arms.forecasters["head", 1], arms.forecasters["without_macro", 1]
    assert isinstance(control, Without)
    assert np.array_equal(control.outputs(samples), control.outputs(wild))
    assert not np.array_equal(own.outputs(samples), own.outputs(wild))


def test_it_is_fitted_like_the_method_on_the_same_rows_without_the_modality(
    fitted: tuple[Samples, Arms],
) -> None:
    samples, arms = fitted
    metrics = {(one.arm, one.seed): one.metrics for one in arms.arms}
    assert metrics["without_macro", 1]["trainable_parameters"] == metrics["head", 1]["trainable_parameters"]
    assert metrics["without_macro", 1]["fit_samples"] == metrics["head", 1]["fit_samples"]
    torch.manual_seed(0)
    backbone = FoundationModel(config(ONE.foundation)).eval()
    blind = hidden(samples, hidden_columns(ONE, "without_macro"))
    alone = fit_arms(ONE.model_copy(update={"controls": ()}), backbone, blind, CUTOFF)
    same = alone.forecasters["head", 1].outputs(blind)
    assert np.array_equal(arms.forecasters["without_macro", 1].outputs(samples), same)


@pytest.mark.parametrize("fusion", ["concatenation", "gate", "cross_attention"])
def test_files_give_back_the_same_bits(fusion: str, tmp_path: Path) -> None:
    put_checkpoint(tmp_path, ONE.foundation, CUTOFF)
    parent = checkpoint.resolve(str(tmp_path), ONE.foundation, CUTOFF)
    assert parent is not None
    backbone, about = checkpoint.load(parent)
    one = ONE.model_copy(update={"fusion": fusion})
    samples = build_samples(one, BARS, inputs(one, BARS, macro(), CUTOFF))
    arms = fit_arms(one, backbone, samples, CUTOFF)
    meta = store.ModelMeta.model_validate(
        {
            "spec": one,
            "cutoff": CUTOFF,
            "input_digest": "d" * 64,
            "parent_family": one.foundation,
            "parent": about.input_digest,
            "backbone": about.config,
            "code_version": "",
            "data": (),
            "windows": {},
            "arms": tuple(arms.arms),
            "wall_seconds": 0.0,
            "hardware": "",
            "torch_version": "",
            "created_at": "",
        }
    )
    folder = tmp_path / one.name / str(CUTOFF) / "x"
    folder.mkdir(parents=True)
    store.save(arms.forecasters, meta, folder)
    loaded, _ = store.load(folder)
    for book, forecaster in arms.forecasters.items():
        assert np.array_equal(forecaster.outputs(samples), loaded[book].outputs(samples))
