"""Fitting, files and the training entry point, on a small world with planted momentum."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import CUTOFF, NAMES, config, inputs, macro, market, put_checkpoint, put_lake, spec

from lim_pipelines.finetune import arms as finetune_arms
from lim_pipelines.finetune import plan as planned
from lim_pipelines.finetune import store, train
from lim_pipelines.finetune.base import forecast, targets
from lim_pipelines.finetune.batch import Batch
from lim_pipelines.finetune.batches import Batches
from lim_pipelines.finetune.fusion import Concatenation
from lim_pipelines.finetune.heads import Perceptron, Related
from lim_pipelines.finetune.losses import make_loss
from lim_pipelines.finetune.modalities import Modality
from lim_pipelines.finetune.neural import rate
from lim_pipelines.finetune.samples import build_samples, demean
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.finetune.selection import Selection
from lim_pipelines.finetune.split import TooLittleHistoryError, split
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.lake import midnight
from lim_pipelines.schemas import MODEL_INPUTS, VALIDATED_BARS, VALIDATED_MACRO
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec

torch.set_num_threads(1)
BARS = market(end=CUTOFF)
WTI = market(seed=1, end=CUTOFF, names=("XNYM:WTI",))
NO_INPUTS = inputs(spec(), BARS, VALIDATED_MACRO.empty(), CUTOFF)
WTI_INPUTS = inputs(spec("directional"), WTI, macro(), CUTOFF)


def backbone() -> FoundationModel:
    torch.manual_seed(0)
    return FoundationModel(config("xsim_foundation_checkpoint")).eval()


def fit_arms(
    one: StrategySpec, model: FoundationModel, bars: pl.DataFrame, known: pl.DataFrame, cutoff: date
) -> finetune_arms.Arms:
    samples = TASKS[one.task].samples(one, bars, known, Selection())
    return finetune_arms.fit_arms(one, model, samples, cutoff)


@settings(max_examples=25)
@given(st.integers(1, 20), st.integers(10, 60), st.integers(1, 7), st.one_of(st.none(), st.integers(50, 120)))
def test_no_fitted_label_reaches_the_validation_tail(
    horizon: int, tail: int, every: int, history: int | None
) -> None:
    one = spec(
        horizon=horizon, fit={"validation_sessions": tail, "sample_every": every, "history_sessions": history}
    )
    samples = build_samples(one, BARS, NO_INPUTS)
    try:
        parts = split(one, samples, CUTOFF)
    except TooLittleHistoryError:
        assert min(tail, history or 1000) / every < 12
        return
    day, end = samples.frame["date"].to_numpy(), samples.frame["label_end"].to_numpy()
    first = day[parts.validation].min()
    assert end[parts.fit].max() < first
    days = sorted(set(samples.frame["date"]))
    assert days.index(first.astype(object)) - days.index(day[parts.fit].max().astype(object)) > horizon + 1
    assert np.isfinite(samples.label[np.r_[parts.fit, parts.validation]]).all()
    assert end[parts.validation].max() <= np.datetime64(CUTOFF)
    assert len(set(day[parts.validation])) <= tail


def test_an_instrument_that_skips_sessions_is_purged_by_what_its_labels_reach() -> None:
    sparse = BARS.filter((pl.col("instrument_id") != NAMES[0]) | (pl.col("date").dt.weekday() == 1))
    one = spec()
    samples = build_samples(one, sparse, NO_INPUTS)
    parts = split(one, samples, CUTOFF)
    end, day = samples.frame["label_end"].to_numpy(), samples.frame["date"].to_numpy()
    assert end[parts.fit].max() < day[parts.validation].min()


def test_features_are_those_known_when_the_decision_is_taken() -> None:
    """The VIX of a day is known three hours after 21:00 UTC: later than WTI's bar, before the decision."""
    one = spec("directional")
    vix = macro().with_columns(known_at=pl.col("ts") + timedelta(hours=3))
    samples = build_samples(one, WTI, inputs(one, WTI, vix, CUTOFF + timedelta(days=1)))
    days = [CUTOFF - timedelta(days=2), CUTOFF - timedelta(days=1)]
    at = [samples.frame["date"].to_list().index(day) for day in days]
    values = vix.filter(pl.col("ts").dt.date().is_in(days)).sort("ts")["value"]
    assert samples.features[at, 0] == pytest.approx(values.log().to_numpy())


def test_too_little_history_says_what_to_do() -> None:
    short = BARS.filter(pl.col("date") > date(2018, 3, 1))
    with pytest.raises(
        TooLittleHistoryError, match=r"small, cutoff 2018-06-01: .*fit.validation_sessions \(40\)"
    ):
        fit_arms(spec(), backbone(), short, NO_INPUTS, CUTOFF)


def test_inputs_are_scaled_by_what_was_fitted_and_missing_ones_are_average() -> None:
    scaling = Scaling.of(np.array([[1.0, np.nan, 5.0], [3.0, np.nan, 5.0]]))
    applied = scaling.apply(np.array([[2.0, 7.0, 5.0], [np.nan, np.nan, 6.0], [100.0, -1.0, 5.0]]))
    assert applied.tolist() == [[0.0, 5.0, 0.0], [0.0, 0.0, 1.0], [5.0, -1.0, 0.0]]


def test_a_batch_of_a_cross_section_is_whole_sessions_and_its_loss_knows_no_common_move() -> None:
    one = spec()
    samples = build_samples(one, BARS, NO_INPUTS)
    rows = split(one, samples, CUTOFF).fit
    batch = Batches(one, samples, rows, 1).draw()
    assert len(batch) == 16 * len(NAMES)
    assert samples.frame[batch.tolist()].group_by("date").len()["len"].unique().to_list() == [len(NAMES)]
    loss = make_loss(one, samples)
    scale = torch.from_numpy(samples.scale(5)[batch]).float()
    outputs = torch.randn(len(batch), one.outputs)
    moved = outputs.clone()
    moved[:, 0] += 0.03 / scale
    assert loss(outputs, batch) == pytest.approx(float(loss(moved, batch)), rel=1e-4)


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    settings_ = spec(fit={"steps": 100, "learning_rate": 0.01}).fit
    rates = [rate(step, settings_) for step in range(100)]
    assert np.argmax(rates) in (9, 10)
    assert max(rates) == pytest.approx(0.01)
    assert rates[-1] < 1e-5


def test_an_unfitted_head_forecasts_nothing() -> None:
    features, nobody = torch.randn(5, 2), torch.zeros(5, 0)
    known, group = torch.ones(5, 2, dtype=torch.bool), torch.zeros(5, dtype=torch.int64)
    third = torch.randn(5, 3)
    batch = Batch(torch.randn(5, 64), features, known, group, nobody[..., None], nobody.bool(), third)
    said = Perceptron(Concatenation(64, (Modality("macro", (0, 1), False),)), Related(64, 0), 2, 1).outputs(
        batch
    )
    assert said.shape == (5, 1)
    assert not said.any()


@pytest.mark.parametrize("task", ["directional", "cross_sectional"])
def test_all_arms_learn_planted_momentum_and_the_same_seed_gives_the_same_weights(task: str) -> None:
    one = spec(task, fit={"steps": 60, "batch": 32, "validation_sessions": 60})
    bars, known = (BARS, NO_INPUTS) if task == "cross_sectional" else (WTI, WTI_INPUTS)
    arms = fit_arms(one, backbone(), bars, known, CUTOFF)
    again = fit_arms(one, backbone(), bars, known, CUTOFF)
    first, second = store.tensors_of(arms.forecasters), store.tensors_of(again.forecasters)
    assert {name: tensor.numpy().tobytes() for name, tensor in first.items()} == {
        name: tensor.numpy().tobytes() for name, tensor in second.items()
    }
    figures = {(a.arm, a.seed): a.metrics for a in arms.arms}
    assert list(figures) == one.books()
    for book, metrics in figures.items():
        assert metrics["fit_rank_ic"] is not None
        assert metrics["fit_rank_ic"] > 0.1, book
    if task == "directional":
        assert figures["full", 1]["trainable_parameters"] == figures["scratch", 1]["trainable_parameters"]
        names = {name.split(".", 2)[2] for name in first if name.startswith("full.1")}
        assert {name.split(".", 2)[2] for name in first if name.startswith("scratch.1")} == names


def test_fine_tuning_leaves_the_checkpoint_alone_and_a_head_stores_no_backbone() -> None:
    model = backbone()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fit_arms(spec("directional"), model, WTI, WTI_INPUTS, CUTOFF)
    arms = fit_arms(spec(), model, BARS, NO_INPUTS, CUTOFF)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not [name for name in store.tensors_of(arms.forecasters) if "backbone" in name]


def test_forecasts_of_a_cross_section_are_relative() -> None:
    one = spec()
    arms = fit_arms(one, backbone(), BARS, NO_INPUTS, CUTOFF)
    samples = build_samples(one, BARS, NO_INPUTS, [date(2018, 5, 1), date(2018, 5, 2)])
    for forecaster in arms.forecasters.values():
        said = forecast(one, forecaster, samples)
        assert np.bincount(samples.groups(), weights=said) == pytest.approx([0, 0], abs=1e-12)
    assert targets(one.task, samples) == pytest.approx(demean(samples.label, samples.groups()))


def job(tmp_path: Path, one: Any, cutoffs: list[date]) -> dict[str, Any]:
    return {
        "lake": str(tmp_path / "lake"),
        "models": str(tmp_path / "models"),
        "strategy": one.model_dump(mode="json"),
        "cutoffs": [cutoff.isoformat() for cutoff in cutoffs],
    }


def test_training_is_reused_restored_and_blind_to_the_future(tmp_path: Path) -> None:
    one = spec("directional")
    put_checkpoint(tmp_path / "models", one.foundation, CUTOFF)
    lake = put_lake(tmp_path / "lake", WTI, macro())
    [first] = train.train(job(tmp_path, one, [CUTOFF]))
    folder = checkpoint.resolve(tmp_path / "models", one.name, CUTOFF)
    assert folder is not None
    assert folder.name == first["digest"][:16]
    assert not first["reused"]
    assert first["metrics"].keys() >= {"full_validation_r2", "persistence_validation_rank_ic"}

    # What arrives after the cutoff, corrections of the past among it, is another world.
    late = WTI.with_columns(
        close=pl.col("close") * 2, known_at=pl.lit(midnight(CUTOFF) + timedelta(microseconds=1))
    )
    put_lake(tmp_path / "lake", pl.concat([WTI, late]), macro(end=date(2018, 12, 1)))
    assert lake.version(VALIDATED_MACRO) > 0
    [again] = train.train(job(tmp_path, spec("directional", portfolio={"vol_target": 0.3}), [CUTOFF]))
    assert again["reused"]
    assert again["digest"] == first["digest"]

    meta = store.read_meta(folder)
    assert meta.spec.model_config_json() == one.model_config_json()
    assert meta.windows["purged_sessions"] == 6
    assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "model.safetensors"]
    forecasters, _ = store.load(folder)
    samples = build_samples(one, WTI, WTI_INPUTS, [date(2018, 5, 3)])
    parent, _ = checkpoint.load(store.parent_folder(folder, meta))
    known = WTI.filter(pl.col("known_at") <= midnight(CUTOFF))
    fitted = fit_arms(one, parent, known, WTI_INPUTS, CUTOFF)
    for book, forecaster in fitted.forecasters.items():
        assert forecast(one, forecasters[book], samples) == pytest.approx(
            forecast(one, forecaster, samples), rel=1e-6
        )

    # A fact that was known by then does count.
    other = WTI.with_columns(
        close=pl.col("close") * pl.when(pl.col("date") == date(2018, 5, 1)).then(1.01).otherwise(1.0)
    )
    put_lake(tmp_path / "lake", other, macro())
    put_checkpoint(tmp_path / "models", one.foundation, CUTOFF, seed=0)
    [changed] = train.train(job(tmp_path, one, [CUTOFF]))
    assert changed["digest"] != first["digest"]


def test_the_entry_point_trains_several_cutoffs_and_starts_from_the_same_cutoffs_checkpoint(
    tmp_path: Path,
) -> None:
    one, cutoffs = spec(), [date(2018, 5, 1), CUTOFF]
    for seed, cutoff in enumerate(cutoffs):
        put_checkpoint(tmp_path / "models", one.foundation, cutoff, seed)
    put_lake(tmp_path / "lake", BARS, macro())
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job(tmp_path, one, cutoffs)))
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "lim_pipelines.finetune.train", "--job", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert "small: cutoffs: 100%" in done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry["cutoff"] for entry in entries] == [cutoff.isoformat() for cutoff in cutoffs]
    parents = []
    for cutoff in cutoffs:
        folder = checkpoint.resolve(tmp_path / "models", one.name, cutoff)
        assert folder is not None
        parents.append(store.read_meta(folder).parent)
    assert len(set(parents)) == 2


@pytest.mark.parametrize("table", ["validated_bars", "model_inputs"])
def test_rows_that_change_between_plan_and_fit_are_not_fitted(tmp_path: Path, table: str) -> None:
    one = spec("directional")
    put_checkpoint(tmp_path / "models", one.foundation, CUTOFF)
    lake = put_lake(tmp_path / "lake", WTI, macro())
    plan = planned.plan(lake.root, str(tmp_path / "models"), one, CUTOFF)
    assert [entry.lake_version for entry in plan.data] == [
        lake.version(VALIDATED_BARS),
        lake.version(MODEL_INPUTS),
    ]
    if table == "validated_bars":
        lake.write(VALIDATED_BARS, WTI.head(-40), WTI.select("exchange", "date").unique())
    else:
        put_lake(tmp_path / "lake", WTI, macro().tail(500))
    with pytest.raises(
        train.InputsChangedError, match=rf"small, cutoff 2018-06-01: {table} in .* changed.*run it again"
    ):
        train.fit_cutoff(plan)
    assert not plan.folder.exists()


def test_errors_name_cutoff_file_and_remedy(tmp_path: Path) -> None:
    put_lake(tmp_path / "lake", BARS, macro())
    with pytest.raises(planned.MissingCheckpointError, match=r"cutoff 2018-06-01: xsim.*materialise xsim"):
        train.train(job(tmp_path, spec(), [CUTOFF]))
    put_checkpoint(tmp_path / "models", "xsim_foundation_checkpoint", CUTOFF)
    train.train(job(tmp_path, spec(), [CUTOFF]))
    folder = checkpoint.resolve(tmp_path / "models", "small", CUTOFF)
    assert folder is not None
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(store.ModelError, match=r"model.safetensors: weights do not fit"):
        store.load(folder)
    (folder / "meta.json").write_text("{}")
    with pytest.raises(store.ModelError, match=r"meta.json: no"):
        store.load(folder)
