"""What runs by itself, evaluated as the daemon would: sensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from inprocess import LONG_AGO, Lineage
from retraining_world import sessions

from assets.arrivals import Ask
from assets.automation import daily_alternative, inputs_sensor, landing_sensor
from assets.requests import CAUSE, EXCHANGE
from lim_pipelines.definitions import defs
from lim_pipelines.schemas import VALIDATED_MACRO
from lim_pipelines.sources.base import QUARANTINE_AS
from resources.home import Home

HEADER = "symbol,date,open,high,low,close,volume\n"
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def look(lineage: Lineage, cursor: str | None = None) -> Any:
    context = dg.build_sensor_context(
        lineage.instance, cursor=cursor, resources={"home": Home(root=str(lineage.path))}
    )
    return landing_sensor(context)


def learn(lineage: Lineage, cursor: str | None = None) -> Any:
    """Bring the ledger up to date as the sensor asks for, and look again."""
    assert [names(run) for run in look(lineage, cursor).run_requests] == [["landing_files"]]
    lineage.run("landing_files", checks=False)
    return look(lineage, cursor)


def skip_message(result: dg.SensorResult) -> str:
    """Why nothing is asked for; empty if something is."""
    return str(result.skip_reason.skip_message) if result.skip_reason else ""


def names(run: dg.RunRequest) -> list[str]:
    return [key.to_user_string() for key in run.asset_selection or ()]


def quote_runs(requests: Sequence[dg.RunRequest]) -> list[dg.RunRequest]:
    return [r for r in requests if dg.AssetKey("raw_quotes") in (r.asset_selection or ())]


def spans(requests: Sequence[dg.RunRequest]) -> list[list[str]]:
    return [[run.tags[tag] for tag in RANGE] for run in quote_runs(requests)]


ONE_DAY = HEADER + "IBM,2018-11-20,1,1,1,1,1\n"


def test_an_empty_folder_is_skipped_with_advice(lineage: Lineage) -> None:
    assert "drop files into landing/<source>/" in skip_message(look(lineage))


def test_a_new_file_is_read_into_the_ledger_and_then_loaded_once(lineage: Lineage) -> None:
    lineage.drop(HEADER + "IBM,2018-11-20,1,1,1,1,1\nIBM,2018-11-23,1,1,1,1,1\n", "XNYS/ibm.csv")
    first, again = look(lineage), look(lineage)
    assert [run.run_key for run in first.run_requests] == [run.run_key for run in again.run_requests]
    loaded = learn(lineage)
    (run,) = loaded.run_requests
    assert names(run) == ["raw_quotes", "aligned_bars", "validated_bars", "resampled_bars", "model_inputs"]
    assert spans([run]) == [["2018-11-20|XNYS", "2018-11-23|XNYS"]]
    assert str(run.run_key).startswith("load_quotes:XNYS:2018-11-20..2018-11-23@")
    assert [r.tags[CAUSE] for r in first.run_requests] == ["1 files came or changed, 0 are gone"]
    assert run.tags[CAUSE] == "files landed with sessions 2018-11-20 to 2018-11-23 of XNYS"
    assert [r.run_key for r in look(lineage).run_requests] == [run.run_key], "the same news, the same key"


def test_many_files_are_one_load_an_exchange(lineage: Lineage) -> None:
    for i in range(5):
        lineage.drop(HEADER + f"IBM,2018-11-{20 + i},1,1,1,1,1\n", f"XNYS/{i}.csv")
        lineage.drop(HEADER + f"AAPL,2018-11-{12 + i},1,1,1,1,1\n", f"XNAS/{i}.csv")
    loaded = learn(lineage)
    assert spans(loaded.run_requests) == [
        ["2018-11-12|XNAS", "2018-11-16|XNAS"],
        ["2018-11-20|XNYS", "2018-11-24|XNYS"],
    ]
    assert not loaded.dynamic_partitions_requests
    assert len(loaded.cursor or "") < 1000


def test_an_exchange_becomes_a_partition_when_its_first_file_arrives(lineage: Lineage) -> None:
    lineage.instance.delete_dynamic_partition("exchange", "XNYS")
    lineage.drop(ONE_DAY, "XNYS/ibm.csv")
    (added,) = learn(lineage).dynamic_partitions_requests
    assert (added.partitions_def_name, list(added.partition_keys)) == ("exchange", ["XNYS"])


def test_touched_and_removed_files_are_noted_and_not_loaded(lineage: Lineage) -> None:
    file = lineage.drop(ONE_DAY, "XNYS/ibm.csv")
    cursor = done(lineage, learn(lineage))
    lineage.drop(ONE_DAY, "XNYS/ibm.csv", datetime(2020, 2, 2, tzinfo=UTC))
    touched = learn(lineage, cursor)
    assert skip_message(touched) == "nothing new: 1 files known, 0 still growing"
    file.unlink()
    assert not learn(lineage, touched.cursor).run_requests


def done(lineage: Lineage, asked: dg.SensorResult) -> str:
    """Run what was asked for as the daemon would, tags and all, and return the cursor."""
    for run in asked.run_requests or ():
        job = defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=set(run.asset_selection)
        )
        job.execute_in_process(
            instance=lineage.instance, tags=run.tags, partition_key=run.partition_key, raise_on_error=False
        )
    return str(asked.cursor)


def test_a_corrected_file_is_loaded_under_a_new_key(lineage: Lineage) -> None:
    lineage.drop(ONE_DAY, "XNYS/ibm.csv")
    first = learn(lineage)
    cursor = done(lineage, first)
    lineage.drop(HEADER + "IBM,2018-11-21,1,1,1,2,1\n", "XNYS/ibm.csv", datetime(2020, 2, 3, tzinfo=UTC))
    changed = learn(lineage, cursor)
    assert spans(changed.run_requests) == [["2018-11-20|XNYS", "2018-11-21|XNYS"]], (
        "the old content's day, too"
    )
    assert changed.run_requests[0].run_key != first.run_requests[0].run_key


def test_a_load_that_succeeded_is_forgotten_and_one_that_failed_is_not(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineage.drop(ONE_DAY, "XNYS/ibm.csv")
    first = learn(lineage)
    with monkeypatch.context() as patch:
        patch.setattr("lim_pipelines.ingest.load_raw_quotes", lambda *_: 1 / 0)
        cursor = done(lineage, first)
    resting = look(lineage, cursor)
    assert skip_message(resting).endswith("; 1 loads are not finished"), "not at every tick"

    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    retried = look(lineage, resting.cursor)
    key = str(first.run_requests[0].run_key)
    assert [run.run_key for run in retried.run_requests] == [f"{key}#2"]
    assert json.loads(look(lineage, done(lineage, retried)).cursor)["asks"] == []


def test_what_failed_is_asked_for_together_with_what_is_new(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineage.drop(ONE_DAY, "XNYS/ibm.csv")
    with monkeypatch.context() as patch:
        patch.setattr("lim_pipelines.ingest.load_raw_quotes", lambda *_: 1 / 0)
        cursor = done(lineage, learn(lineage))
    lineage.drop(HEADER + "IBM,2018-11-27,1,1,1,1,1\n", "XNYS/more.csv")
    both = learn(lineage, cursor)
    assert spans(both.run_requests) == [["2018-11-20|XNYS", "2018-11-27|XNYS"]]
    assert len(json.loads(str(both.cursor))["asks"]) == 1


def test_what_is_being_loaded_is_not_asked_for_again_with_what_is_new(lineage: Lineage) -> None:
    lineage.drop(ONE_DAY, "XNYS/ibm.csv")
    first = learn(lineage)
    (request,) = first.run_requests
    lineage.instance.create_run_for_job(
        dg.Definitions(jobs=[_nothing]).resolve_job_def("_nothing"),
        tags=request.tags,
        status=dg.DagsterRunStatus.STARTED,
    )
    lineage.drop(HEADER + "IBM,2018-11-27,1,1,1,1,1\n", "XNYS/more.csv")
    both = learn(lineage, first.cursor)
    assert spans(both.run_requests) == [["2018-11-27|XNYS", "2018-11-27|XNYS"]]
    assert len(json.loads(str(both.cursor))["asks"]) == 2


@dg.job
def _nothing() -> None:
    """A job to make runs of."""


def test_a_run_of_the_ledger_that_failed_is_asked_for_again(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineage.drop(ONE_DAY, "XNYS/ibm.csv")
    first = look(lineage)
    with monkeypatch.context() as patch:
        patch.setattr("assets.landing.register", lambda *_: 1 / 0)
        done(lineage, first)
    assert not look(lineage).run_requests, "not at every tick"
    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    (again,) = look(lineage).run_requests
    assert again.run_key == f"{first.run_requests[0].run_key}#2"


def test_nothing_is_asked_for_while_files_are_read(lineage: Lineage) -> None:
    lineage.drop(ONE_DAY, "XNYS/ibm.csv")
    lineage.run("landing_files", checks=False)
    lineage.drop(ONE_DAY, "XNYS/more.csv")
    run = lineage.instance.create_run_for_job(
        defs.resolve_job_def("register_landing_files"), status=dg.DagsterRunStatus.STARTED
    )
    waiting = look(lineage)
    assert skip_message(waiting).endswith("; new files are being read")
    lineage.instance.report_run_failed(run)
    assert len(look(lineage, waiting.cursor).run_requests) == 2, "the ledger, and what it has learnt so far"


def test_a_file_that_still_grows_is_left_alone(lineage: Lineage) -> None:
    lineage.drop(HEADER, "XNYS/ibm.csv", datetime.now(UTC))
    assert "1 still growing" in skip_message(look(lineage))


def test_a_refused_file_runs_the_ledger_and_nothing_else(lineage: Lineage) -> None:
    lineage.drop("when,what\n1,2\n", "XNYS/bad.csv")
    assert skip_message(learn(lineage)) == "nothing new: 1 files known, 0 still growing"


def test_history_goes_to_the_archive(lineage: Lineage) -> None:
    rows = "IBM,2014-03-03,1,1,1,1,1\nIBM,2018-10-02,1,1,1,1,1\n"
    lineage.drop(HEADER + rows, "XNYS/history/ibm.csv")
    lineage.drop(HEADER + "IBM,1999-03-03,1,1,1,1,1\n", "XNYS/history/older.csv")
    requests = learn(lineage).run_requests
    assert spans(requests) == [["2018-10-01|XNYS", "2018-10-02|XNYS"]]
    (bulk,) = [r for r in requests if names(r) == ["archive", "archive_inputs"]]
    assert bulk.partition_key == "XNYS"
    assert str(bulk.run_key).startswith("import_archive:XNYS:1999-03-03..2018-09-30@")


def test_the_daily_load_of_alternative_data_waits_for_the_sensors() -> None:
    (run,) = daily_alternative.evaluate_tick(dg.build_schedule_context()).run_requests
    assert (
        run.tags[EXCHANGE] == Ask("load_alternative", QUARANTINE_AS, "", "", "key").request(0).tags[EXCHANGE]
    )


def test_what_the_sensor_asks_for_can_be_run(lineage: Lineage) -> None:
    lineage.drop(ONE_DAY, "XNYS/ibm.csv", LONG_AGO)
    (run,) = quote_runs(learn(lineage).run_requests)
    assert lineage.run(*names(run), start=run.tags[RANGE[0]], end=run.tags[RANGE[1]], checks=False).success


def test_a_home_is_found_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home()
    monkeypatch.setenv("LIM_HOME", str(tmp_path))
    assert home.landing == tmp_path / "landing"
    monkeypatch.delenv("LIM_HOME")
    monkeypatch.chdir(tmp_path)
    assert home.path == tmp_path / ".lim"


def test_changed_facts_build_the_inputs_of_their_exchanges_again(lineage: Lineage) -> None:
    def look_at_inputs(cursor: str | None) -> Any:
        home = Home(root=str(lineage.path))
        return inputs_sensor(
            dg.build_sensor_context(lineage.instance, cursor=cursor, resources={"home": home})
        )

    sessions(lineage, [date(2018, 11, d) for d in (1, 2, 5)])
    nothing = look_at_inputs(None)
    assert skip_message(nothing) == "nothing that inputs are read from has changed"
    known_at = datetime(2018, 11, 2, 23, tzinfo=UTC)
    row = {"series_id": "vix", "ts": known_at, "value": 20.0, "unit": "points", "known_at": known_at}
    rows = VALIDATED_MACRO.conform(pl.DataFrame([{**row, "source": "test", "file": "vix.csv", "line": 1}]))
    lineage.lake.write(VALIDATED_MACRO, rows, rows.select("series_id"))
    asked = look_at_inputs(nothing.cursor)
    (run,) = asked.run_requests
    assert (names(run), [run.tags[tag] for tag in RANGE]) == (
        ["model_inputs"],
        ["2018-11-02|XNAS", "2018-11-05|XNAS"],
    )
    assert run.tags[CAUSE] == "model inputs read what has changed: validated_macro"
    done(lineage, asked)
    again = look_at_inputs(asked.cursor)
    assert skip_message(again) == "nothing that inputs are read from has changed"
