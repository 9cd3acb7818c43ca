"""A leak in a run keeps what follows from running; training again gives the same weights."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from model_world import EARLY, FAMILIES, LATE, OIL, SHARES, ModelWorld

from assets.audits_models import NAME, build_strategy_audits, result
from assets.partitions import exchanges
from assets.strategies import build_backtest, build_targets
from lim_pipelines.audit.models import audit_models
from lim_pipelines.audit.retrained import retrain_checkpoint, retrain_model
from lim_pipelines.audit.verdict import Verdict, record
from lim_pipelines.lake import LATEST, Lake, as_of_view
from lim_pipelines.schemas import AUDIT_RESULTS, BACKTEST_DAILY, INPUT_SCALES
from lim_pipelines.strategies import base
from resources.home import Home


def run(world: ModelWorld, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Targets of the late cutoff and the backtest below them, with their checks, as a run of the platform."""
    assets = [build_targets(SHARES), build_backtest(SHARES)]
    _, *checks = build_strategy_audits(SHARES)
    definitions = dg.Definitions(
        assets=assets, asset_checks=checks, resources={"home": Home(root=str(world.root))}
    )
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, partition_key=LATE.isoformat(), raise_on_error=False
    )


def test_a_leak_in_decisions_keeps_the_backtest_from_running(
    world: ModelWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = world.copy(tmp_path / "world")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(exchanges.name or "", ["XSIM"])
        clean = run(copy, instance)
        assert clean.success
        assert {one.check_name for one in clean.get_asset_check_evaluations()} == {NAME}
        assert len(clean.get_asset_check_evaluations()) == 2

        before = copy.lake.version(BACKTEST_DAILY)
        monkeypatch.setattr(base, "as_of_view", lambda bars, at, table: as_of_view(bars, LATEST, table))
        leaking = run(copy, instance)
        assert not leaking.success
        (check,) = leaking.get_asset_check_evaluations()
        assert not check.passed
        assert check.blocking
        assert check.severity == dg.AssetCheckSeverity.ERROR
        assert "come out otherwise where nothing known later exists" in str(check.description)
        made = {event.asset_key for event in leaking.get_asset_materialization_events()}
        assert made == {dg.AssetKey("shares_targets")}
        assert copy.lake.version(BACKTEST_DAILY) == before
    kept = copy.lake.read(AUDIT_RESULTS, as_of=LATEST, where=~pl.col("passed")).collect()
    assert kept.select("asset", "partition", "audit").rows() == [("shares_targets", str(LATE), "recompute")]


def test_training_again_on_a_lake_that_ends_at_the_cutoff_gives_the_same_weights(world: ModelWorld) -> None:
    found = [
        retrain_checkpoint(world.lake, world.models, FAMILIES[1], LATE),
        *(retrain_model(world.lake, world.models, one.name, EARLY) for one in (OIL, SHARES)),
    ]
    assert [one.finding for one in found] == ["", "", ""]
    assert min(one.compared for one in found) > 1000


def test_weights_that_something_else_gave_are_found(world: ModelWorld, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    copy = world.copy(tmp_path / "world")
    (path,) = (copy.models / SHARES.name / str(EARLY)).glob("*/model.safetensors")
    weights = load_file(path)
    name = next(
        name for name in sorted(weights) if name.startswith("ridge") and name.endswith("coefficients")
    )
    weights[name] = weights[name] + 1e-3
    save_file(weights, path)
    again = retrain_model(copy.lake, copy.models, SHARES.name, EARLY)
    assert again.different == weights[name].size
    assert f"most {name} by 0.001" in again.finding


def test_a_checkpoint_that_does_not_say_what_it_was_trained_on_fails(
    world: ModelWorld, tmp_path: Path
) -> None:
    copy = world.copy(tmp_path / "world")
    for name in (FAMILIES[0].name, OIL.name):
        (path,) = (copy.models / name / str(EARLY)).glob("*/meta.json")
        text = path.read_text().replace("trained_until", "forgotten").replace("fit_labels_end", "forgotten")
        path.write_text(text)
    said = [one.finding for one in copy.audit_checkpoint(FAMILIES[0]) + copy.audit_model(OIL) if one.finding]
    assert len(said) == 2
    assert all("does not record" in finding and "materialise" in finding for finding in said)


def test_everything_is_audited_as_long_as_there_is_time(world: ModelWorld) -> None:
    nothing = audit_models(world.lake, world.models, FAMILIES, [OIL, SHARES], budget=0)
    assert not nothing.verdicts
    # Checkpoints; models, their judgements, targets, backtests; what is trained again.
    assert len(nothing.left) == 2 * 2 + 2 * (2 * 3 + 1) + 2 * 4
    assert nothing.left[0] == f"foundation_checkpoint {LATE}"
    every = audit_models(world.lake, world.models, FAMILIES, [OIL], budget=600)
    assert not every.left
    assert [one.finding for one in every.verdicts if not one.passed] == []
    again = [one for one in every.verdicts if one.asset == "oil_model" and one.audit == "recompute"]
    assert {one.partition for one in again} == {str(EARLY), str(LATE)}


def test_verdicts_of_a_kind_replace_those_before_and_leave_others(tmp_path: Path) -> None:
    lake, at = Lake(tmp_path), datetime(2020, 1, 1, tzinfo=UTC)
    record(lake, [Verdict("a", "p", "reads", at, 3), Verdict("a", "p", "recompute", at, 1, 1, "weights")])
    shown = result(lake, [Verdict("a", "p", "reads", at.replace(year=2021), 3, 2, "rows")])
    assert not shown.passed
    assert shown.description == "rows"
    kept = lake.read(AUDIT_RESULTS, as_of=LATEST).sort("audit").collect()
    assert kept.select("audit", "finding").rows() == [("reads", "rows"), ("recompute", "weights")]
    nothing = result(lake, [])
    assert nothing.passed
    assert nothing.description == "not audited: nothing there to compare yet"


def test_without_anything_stored_there_is_nothing_to_audit(tmp_path: Path) -> None:
    empty = ModelWorld(tmp_path)
    assert not empty.audit_checkpoint(FAMILIES[0], date(2018, 1, 1))
    assert not empty.audit_model(OIL)
    assert not empty.audit_targets(OIL)
    assert not empty.audit_backtest(OIL)


def test_what_cannot_be_audited_is_a_finding_and_the_rest_goes_on(world: ModelWorld, tmp_path: Path) -> None:
    own = world.copy(tmp_path / "world")
    scales = own.lake.revisions(INPUT_SCALES).collect()
    own.lake.write(INPUT_SCALES, scales.clear(), scales.select(INPUT_SCALES.partition_key).unique())
    found = audit_models(own.lake, own.models, [], [OIL], budget=600)
    gone = [one for one in found.verdicts if "cannot be audited" in one.finding]
    assert {one.asset for one in gone} == {"oil_model", "oil_targets"}
    assert all("never built" in one.finding and not one.passed for one in gone)
    assert any(one.asset == "oil_backtest" and one.passed for one in found.verdicts)
