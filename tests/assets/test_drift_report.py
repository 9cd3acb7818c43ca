"""The drift report as Dagster runs it, what its check says, and the sensor that listens."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
from drift_world import bars, write
from inprocess import Lineage, checks_of, metadata_of
from retraining_world import ask, skipped
from trained import train

from lim_pipelines.definitions import defs
from lim_pipelines.lake import LATEST
from lim_pipelines.retraining.settings import FILE
from lim_pipelines.schemas import DRIFT_RESULTS, VALIDATED_BARS


def report(lineage: Lineage) -> Any:
    return checks_of(lineage.run("drift_report"))["drift_report/drift"]


def test_nothing_to_compare_is_no_drift(lineage: Lineage) -> None:
    check = report(lineage)
    assert check.passed
    assert check.description.startswith("nothing to compare yet: drift needs 360 sessions")


def test_the_report_says_what_drifted_where_and_retraining_follows(lineage: Lineage) -> None:
    write(lineage.lake, bars(exchange="XNAS", volatility=3.0, sessions=600))
    write(lineage.lake, bars(exchange="XTKS", seed=2, sessions=600))
    # Ten sessions are new since the checkpoint of December: too few to train again without a cause.
    train(lineage.lake, lineage.path / "models", date(2018, 12, 1))
    (lineage.path / FILE).write_text("retraining: {calendar_sessions: 11}")
    assert "foundation_checkpoint: 10 of 15" in skipped(ask(lineage))

    result = lineage.run("drift_report")
    check = checks_of(result)["drift_report/drift"]
    assert not check.passed
    assert check.severity.value == "WARN"
    assert "of XNAS equity since 2018-10-22" in check.description
    assert "XTKS" not in check.description
    assert "retraining_sensor" in check.description
    metadata = metadata_of(result, "drift_report")
    assert (metadata["tests"], metadata["drifted"] > 0) == (20, True)
    assert metadata["plot"].startswith("![drift](data:image/png")
    table = lineage.lake.read(DRIFT_RESULTS, as_of=LATEST).collect()
    assert table.filter("drifted")["exchange"].unique().to_list() == ["XNAS"]
    assert (table["drifted"] == (table["statistic"] > table["threshold"])).all()

    asked = ask(lineage)
    (run,) = asked.run_requests or []
    assert run.tags["lim/cause"].startswith("the drift check failed; ")
    assert [one.run_key for one in ask(lineage, asked.cursor).run_requests or []] == [run.run_key], (
        "one report asks once"
    )


def test_drift_elsewhere_is_no_cause(lineage: Lineage) -> None:
    write(lineage.lake, bars(exchange="XTKS", volatility=3.0, sessions=600))
    write(lineage.lake, bars(exchange="XNAS", seed=2, sessions=600))
    train(lineage.lake, lineage.path / "models", date(2018, 12, 1))
    assert not report(lineage).passed
    (lineage.path / FILE).write_text("retraining: {calendar_sessions: 11}")
    why = skipped(ask(lineage))
    assert "the drift check failed" not in why
    assert "foundation_checkpoint" in why


def test_the_same_data_give_the_same_report(lineage: Lineage) -> None:
    write(lineage.lake, bars(sessions=500))
    first = lineage.run("drift_report")
    version = lineage.lake.version(DRIFT_RESULTS)
    again = lineage.run("drift_report")
    assert lineage.lake.version(DRIFT_RESULTS) == version
    assert metadata_of(again, "drift_report")["results"] == metadata_of(first, "drift_report")["results"]

    # An exchange whose bars are gone keeps no verdict.
    gone = bars(sessions=500)
    lineage.lake.write(VALIDATED_BARS, gone.clear(), gone.select("exchange", "date").unique())
    lineage.run("drift_report")
    assert lineage.lake.read(DRIFT_RESULTS, as_of=LATEST).collect().is_empty()


def test_it_is_measured_every_week() -> None:
    asset = defs.resolve_asset_graph().get(dg.AssetKey("drift_report"))
    assert asset.group_name == "validation", "weekly_validation runs this group"
