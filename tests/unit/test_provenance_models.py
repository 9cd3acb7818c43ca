"""A small strategy from bars to report: followed back, made again to the bit, and found out where touched."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from provenance_world import everything
from strategy_world import CUTOFF, config, macro, market, put_lake, spec
from test_provenance_trace import node, nodes

from lim_pipelines import standings, walkforward
from lim_pipelines.finetune import train as finetune
from lim_pipelines.foundation import train as pretrain
from lim_pipelines.lake import LATEST, scope_of
from lim_pipelines.places import Places
from lim_pipelines.provenance.compare import Finding
from lim_pipelines.provenance.doctor import examine
from lim_pipelines.provenance.subject import Report, SubjectError, find
from lim_pipelines.provenance.trace import Number, trace
from lim_pipelines.provenance.tree import unfold, warnings_of
from lim_pipelines.provenance.verify import verdict, verify
from lim_pipelines.provenance.verify_results import verify_all_results, verify_results
from lim_pipelines.schemas import SCORES, TARGETS, VALIDATED_BARS

pytestmark = pytest.mark.slow

FAMILY = "xsim_foundation_checkpoint"
EARLIER = date(2018, 5, 1)
SPEC = spec(fit={"steps": 3, "batch": 4, "validation_sessions": 40}, seeds=[1])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Two checkpoints, a model, targets and a backtest."""
    places = Places(tmp_path_factory.mktemp("home"))
    lake = put_lake(places.root / "lake", market(), macro())
    family = config(FAMILY).model_copy(update={"steps_first": 4, "steps_continual": 2, "batch_size": 8})
    where: dict[str, Any] = {"lake": lake.root, "models": str(places.models)}
    pretrain.train_cutoffs(
        pretrain.Job(
            **where, windows=str(places.windows), family=FAMILY, cutoffs=(EARLIER, CUTOFF), config=family
        ),
        lambda _: None,
    )
    finetune.train({**where, "strategy": SPEC.model_dump(mode="json"), "cutoffs": [CUTOFF.isoformat()]})
    rows = walkforward.decide(lake, places.models, SPEC, [CUTOFF])
    lake.write(TARGETS, rows, scope_of({"strategy": [SPEC.name], "cutoff": [CUTOFF]}))
    walkforward.backtest(lake, places.models, places.reports, SPEC)
    folder = places.root / "defs" / SPEC.name
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text(yaml.safe_dump({"attributes": SPEC.model_dump(mode="json")}))
    return places


@pytest.fixture
def places(original: Places, tmp_path: Path) -> Places:
    return Places(shutil.copytree(original.root, tmp_path / "home"))


def looked_at(places: Places, what: str, train: bool = False) -> list[Finding]:
    return verify(places, find(what, places), train)


def results(places: Places) -> list[Finding]:
    return verify_results(places, SPEC.name, places.root / "defs")


def change_bars(places: Places, day: date) -> None:
    lake, where = places.lake(), pl.col("date") == day
    rows = lake.revisions(VALIDATED_BARS, where).collect()
    wrong = rows.with_columns(close=pl.col("close") * 1.01)
    lake.write(VALIDATED_BARS, wrong, rows.select(VALIDATED_BARS.partition_key).unique())


def test_a_number_leads_to_models_parents_and_rows(original: Places) -> None:
    before = everything(original)
    found = unfold(trace(original, Report(SPEC.name), Number("sharpe", "head")))
    assert everything(original) == before
    where = (pl.col("metric") == "sharpe") & (pl.col("arm") == "head")
    stored = original.lake().read(SCORES, as_of=LATEST, where=where).collect()["value"].item()
    assert found["facts"]["head (seed 1)"] == stored
    trials = 3
    assert found["facts"]["trials of this strategy"] == f"{trials} in the ledger, of 1 specifications"
    assert 0 <= found["facts"]["deflated Sharpe ratio"] <= 1
    (fund,) = [name for name in found["facts"] if name.startswith("net Sharpe ratio of ")]
    assert "as one fund that splits its capital over the seeds" in fund
    targets = node(found, f"targets decided from {CUTOFF} on")
    model = node(targets, f"models of {SPEC.name} at {CUTOFF}")
    assert targets["facts"]["decided by models"] == [model["facts"]["input digest"]]
    assert targets["facts"]["specification"] == [SPEC.digest()]
    assert model["facts"]["windows"]["purged_sessions"] > 0
    parent = node(model, f"{FAMILY} at {CUTOFF}")
    chain = node(parent, f"{FAMILY} at {EARLIER}")
    for one, name in ((parent, FAMILY), (chain, FAMILY), (model, SPEC.name)):
        meta = json.loads((Path(one["facts"]["folder"]) / "meta.json").read_text())
        assert one["facts"]["input digest"] == meta["input_digest"]
        assert f"/{name}/" in one["facts"]["folder"]
    reads = [one for one in nodes(found) if one["what"] == "validated_bars as it was read"]
    assert len(reads) >= 2
    assert {one["facts"]["the lake gives today"] for one in reads} == {"the same rows, by their fingerprint"}
    assert warnings_of(found) == []


def test_what_a_number_may_be_is_said(original: Places) -> None:
    with pytest.raises(SubjectError, match=r"arms: head, persistence, ridge; metrics: .*sharpe"):
        trace(original, Report(SPEC.name), Number("beauty"))


def test_checkpoints_come_out_again_to_the_bit(original: Places) -> None:
    before = everything(original)
    for what in (f"{FAMILY}@{EARLIER}", f"{FAMILY}@{CUTOFF}", f"{SPEC.name}@{CUTOFF}"):
        found = looked_at(original, what, train=True)
        assert verdict(found) == "equal", found
        assert found[-1].what == "weights"
        assert found[-1].compared > 100
    assert everything(original) == before


def test_decisions_and_results_come_out_again_to_the_bit(original: Places) -> None:
    before = everything(original)
    found = results(original)
    assert verdict(found) == "equal", found
    assert [one.what for one in found] == ["targets", "backtest_daily", "scores", "trials", "trial_returns"]
    assert everything(original) == before


def test_rows_that_changed_since_are_a_difference_everywhere_below(places: Places) -> None:
    change_bars(places, date(2018, 4, 3))
    for what in (f"{FAMILY}@{CUTOFF}", f"{SPEC.name}@{CUTOFF}"):
        found = looked_at(places, what, train=True)
        assert verdict(found) == "differs"
        assert "when it was trained" in found[0].detail
    tree = unfold(trace(places, Report(SPEC.name)))
    assert any("no longer gives these rows" in line for line in warnings_of(tree))
    assert any(one.what == "targets" and "forecast is stored as" in one.detail for one in results(places))


def as_if_saved(weights: Path) -> None:
    """Record the weights' hash as the training of another machine would have."""
    file = weights.with_name("meta.json")
    meta = json.loads(file.read_text())
    file.write_text(json.dumps({**meta, "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}))


@pytest.mark.parametrize("what", [f"{FAMILY}@{CUTOFF}", f"{SPEC.name}@{CUTOFF}"])
def test_weights_that_were_touched_are_found_without_training(places: Places, what: str) -> None:
    from safetensors.numpy import load_file, save_file

    subject = find(what, places)
    weights = subject.folder / "model.safetensors"  # type: ignore[union-attr]
    found = looked_at(places, what)
    assert verdict(found) == "equal"
    assert found[-1].what == "weights as saved"
    stored = load_file(weights)
    save_file({name: tensor * 0 for name, tensor in stored.items()}, weights)
    found = looked_at(places, what)
    assert verdict(found) == "differs", "every weight is zero"
    assert "was changed since it was saved" in found[-1].detail
    assert any(
        "was changed since it was saved" in line for line in warnings_of(unfold(trace(places, subject)))
    )
    said = [check for check in examine(places, fast=True) if check.name == f"models {what}"]
    assert [check.status for check in said] == ["fail"]
    meta = weights.with_name("meta.json")
    before = {k: v for k, v in json.loads(meta.read_text()).items() if k != "weights_sha256"}
    meta.write_text(json.dumps(before))
    assert verdict(looked_at(places, what)) == "cannot be verified", "a folder from before hashes were kept"
    assert verdict(looked_at(places, what, train=True)) == "differs"


def test_weights_that_were_touched_are_found_by_training_again(places: Places) -> None:
    from safetensors.numpy import load_file, save_file

    what = f"{SPEC.name}@{CUTOFF}"
    weights = find(what, places).folder / "model.safetensors"  # type: ignore[union-attr]
    stored = load_file(weights)
    name = next(name for name in stored if name.startswith("ridge") and "coefficients" in name)
    for gap, expected in ((1e-9, "equal"), (1e-3, "differs"), (float("nan"), "differs")):
        save_file({**stored, name: stored[name] + gap}, weights)
        as_if_saved(weights)
        found = looked_at(places, what, train=True)
        assert verdict(found) == expected, gap
        assert f"1 of {len(stored)} tensors differ, most {name}" in found[-1].detail
        assert ("within the tolerance" in found[-1].detail) == (expected == "equal")
    weights.write_bytes(weights.read_bytes()[:-40])
    assert verdict(looked_at(places, what)) == "differs", "cut off"


def test_a_number_that_was_polished_is_found(places: Places) -> None:
    lake = places.lake()
    scores = lake.read(SCORES, as_of=LATEST).collect()
    better = pl.when(pl.col("metric") == "sharpe").then(9.0).otherwise("value")
    lake.write(SCORES, scores.with_columns(value=better), scores.select("strategy").unique())
    found = {one.what: one for one in results(places)}
    assert found["scores"].verdict == "differs"
    assert "value is stored as 9.0" in found["scores"].detail
    assert found["backtest_daily"].verdict == "equal"


def test_what_is_gone_or_of_another_specification_cannot_be_verified(places: Places) -> None:
    file = places.root / "defs" / SPEC.name / "defs.yaml"
    file.write_text(file.read_text().replace("max_position: 0.3", "max_position: 0.25"))
    (found,) = results(places)
    assert found.verdict == "cannot be verified"
    assert "another specification" in found.detail
    shutil.rmtree(find(f"{FAMILY}@{CUTOFF}", places).folder)  # type: ignore[union-attr]
    found = looked_at(places, f"{SPEC.name}@{CUTOFF}")[0]
    assert (found.what, found.verdict) == ("parent", "cannot be verified")
    tree = unfold(trace(places, find(f"{SPEC.name}@{CUTOFF}", places)))
    assert any("its folder is gone" in line for line in warnings_of(tree))


def test_the_leaderboard_leads_to_the_report_of_every_strategy(places: Places) -> None:
    standings.publish(places.lake(), places.reports, [SPEC])
    page = places.reports / "leaderboard.html"
    for name in ("leaderboard", str(page)):
        found = unfold(trace(places, find(name, places)), every=True)
        assert found["facts"]["content"] == f"sha256 {hashlib.sha256(page.read_bytes()).hexdigest()}"
        own = node(found, f"report of {SPEC.name}")
        assert own == unfold(trace(places, Report(SPEC.name)), every=True)
    with pytest.raises(SubjectError, match="only a strategy's report has metrics"):
        trace(places, find("leaderboard", places), Number("sharpe"))
    empty = Places(places.root / "elsewhere")
    with pytest.raises(SubjectError, match="'leaderboard' is nothing"):
        find("leaderboard", empty)


def test_what_is_compared_of_several_strategies_has_their_names(original: Places) -> None:
    found = verify_all_results(original, ("gone", SPEC.name), original.root / "defs")
    assert found[0].what == "gone: results"
    assert found[0].verdict == "cannot be verified"
    assert "gone/defs.yaml is not there" in found[0].detail
    assert [replace(one, what=f"{SPEC.name}: {one.what}") for one in results(original)] == found[1:]
