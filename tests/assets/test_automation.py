"""What runs by itself, evaluated as the daemon would: sensors and the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from inprocess import LONG_AGO, Lineage

from assets.automation import daily_quotes, landing_sensor, results_sensor, retraining_sensor
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import scope_of
from lim_pipelines.schemas import TARGETS, VALIDATED_BARS
from resources.home import Home

HEADER = "symbol,date,open,high,low,close,volume\n"
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def look(lineage: Lineage, cursor: str | None = None) -> Any:
    context = dg.build_sensor_context(
        lineage.instance, cursor=cursor, resources={"home": Home(root=str(lineage.path))}
    )
    return landing_sensor(context)


def skip_message(result: dg.SensorResult) -> str:
    """Why nothing is asked for; empty if something is."""
    return str(result.skip_reason.skip_message) if result.skip_reason else ""


def quote_runs(requests: Sequence[dg.RunRequest]) -> list[dg.RunRequest]:
    return [r for r in requests if dg.AssetKey("raw_quotes") in (r.asset_selection or ())]


def test_an_empty_folder_is_skipped_with_advice(lineage: Lineage) -> None:
    assert "drop files into landing/csv_drop/<MIC>/" in skip_message(look(lineage))


def test_a_new_file_asks_for_its_partitions_once(lineage: Lineage) -> None:
    lineage.drop(HEADER + "IBM,2018-11-20,1,1,1,1,1\nIBM,2018-11-23,1,1,1,1,1\n", "XNYS/ibm.csv")
    first = look(lineage)
    (run,) = quote_runs(first.run_requests)
    assert [run.tags[tag] for tag in RANGE] == ["2018-11-20|XNYS", "2018-11-23|XNYS"]
    assert run.run_key is not None
    assert run.run_key.startswith("csv_drop/XNYS/ibm.csv@")
    assert {key.to_user_string() for key in run.asset_selection or ()} == {
        "raw_quotes",
        "aligned_bars",
        "validated_bars",
    }
    assert [dg.AssetKey("landing_files")] in [r.asset_selection for r in first.run_requests]

    assert skip_message(look(lineage, first.cursor)) == "nothing new: 1 files known, 0 still growing"


def test_touched_is_nothing_and_changed_is_a_new_key(lineage: Lineage) -> None:
    one, two = (HEADER + f"IBM,2018-11-20,1,1,1,{close},1\n" for close in (1, 1.0))
    lineage.drop(one, "XNYS/ibm.csv")
    first = look(lineage)
    lineage.drop(one, "XNYS/ibm.csv", datetime(2020, 2, 2, tzinfo=UTC))
    touched = look(lineage, first.cursor)
    assert skip_message(touched)
    assert touched.cursor != first.cursor, "its new time stamp is remembered, so that it is not read again"
    assert look(lineage, touched.cursor).cursor == touched.cursor
    lineage.drop(two, "XNYS/ibm.csv", datetime(2020, 2, 3, tzinfo=UTC))
    changed = look(lineage, touched.cursor)
    keys = [quote_runs(r.run_requests)[0].run_key for r in (first, changed)]
    assert keys[0] != keys[1]


def test_a_file_that_still_grows_is_left_alone(lineage: Lineage) -> None:
    lineage.drop(HEADER, "XNYS/ibm.csv", datetime.now(UTC))
    assert "1 still growing" in skip_message(look(lineage))


def test_a_refused_file_runs_the_ledger_and_nothing_else(
    lineage: Lineage, capfd: pytest.CaptureFixture[str]
) -> None:
    lineage.drop("when,what\n1,2\n", "XNYS/bad.csv")
    result = look(lineage)
    assert [r.asset_selection for r in result.run_requests] == [[dg.AssetKey("landing_files")]]
    said = capfd.readouterr().err
    assert "refused csv_drop/XNYS/bad.csv: wrong_columns: " in said
    assert skip_message(look(lineage, result.cursor))


def test_history_goes_to_the_archive(lineage: Lineage) -> None:
    rows = "IBM,2014-03-03,1,1,1,1,1\nIBM,2018-10-02,1,1,1,1,1\n"
    lineage.drop(HEADER + rows, "XNYS/history/ibm.csv")
    requests = look(lineage).run_requests
    (daily,) = quote_runs(requests)
    assert [daily.tags[tag] for tag in RANGE] == ["2018-10-02|XNYS", "2018-10-02|XNYS"]
    (bulk,) = [r for r in requests if r.asset_selection == [dg.AssetKey("archive")]]
    assert bulk.partition_key == "XNYS"
    assert str(bulk.run_key).startswith("archive:csv_drop/XNYS/history/ibm.csv@")


def test_what_the_sensor_asks_for_can_be_run(lineage: Lineage) -> None:
    lineage.drop(HEADER + "IBM,2018-11-20,1,1,1,1,1\n", "XNYS/ibm.csv", LONG_AGO)
    (run,) = quote_runs(look(lineage).run_requests)
    names = [key.to_user_string() for key in run.asset_selection or ()]
    assert lineage.run(*names, start=run.tags[RANGE[0]], end=run.tags[RANGE[1]], checks=False).success


def test_the_schedule_asks_for_the_day_on_every_exchange_in_one_run() -> None:
    moment = datetime(2018, 12, 3, 23, 30, tzinfo=UTC)
    quotes = daily_quotes(dg.build_schedule_context(scheduled_execution_time=moment))
    assert [quotes.tags[tag] for tag in RANGE] == ["2018-12-03|XNAS", "2018-12-03|XSIM"]
    assert quotes.run_key == "quotes:2018-12-03"


def due(lineage: Lineage) -> list[Any]:
    from lim_pipelines.definitions import defs

    context = dg.build_sensor_context(
        lineage.instance, resources={"home": Home(root=str(lineage.path))}, definitions=defs
    )
    return list(retraining_sensor(context))


def sessions(lineage: Lineage, days: list[date]) -> None:
    rows = [
        {
            "exchange": "XNAS",
            "date": day,
            "instrument_id": "XNAS:IXIC",
            "freq": "1d",
            "ts": datetime(day.year, day.month, day.day, 21, tzinfo=UTC),
            **dict.fromkeys(("open", "high", "low", "close"), 100.0),
            "volume": 1.0,
            "ex_factor": 1.0,
            "source": "test",
            "known_at": datetime(day.year, day.month, day.day, 21, 15, tzinfo=UTC),
        }
        for day in days
    ]
    lineage.lake.write(
        VALIDATED_BARS,
        pl.DataFrame(rows, schema=VALIDATED_BARS.schema),
        scope_of({"exchange": ["XNAS"], "date": days}),
    )


def test_retraining_skips_with_a_reason_for_every_family(lineage: Lineage) -> None:
    (skipped,) = due(lineage)
    assert skipped.skip_message == (
        "foundation_checkpoint: no validated bars on XNAS, XNYS yet;"
        " xsim_foundation_checkpoint: no validated bars on XSIM yet"
    )
    sessions(lineage, [date(2018, 11, d) for d in (1, 2, 5)])
    (skipped,) = due(lineage)
    assert "foundation_checkpoint: 3 of 15 sessions and no checkpoint yet" in skipped.skip_message


def test_retraining_asks_for_checkpoint_models_and_targets_with_its_cause(lineage: Lineage) -> None:
    days = pl.date_range(date(2018, 11, 1), date(2018, 11, 28), eager=True)
    sessions(lineage, [day for day in days if day.weekday() < 5])
    (run,) = due(lineage)
    assert [run.tags[tag] for tag in RANGE] == ["2018-12-01", "2018-12-01"]
    assert {key.to_user_string() for key in run.asset_selection} == {
        "foundation_checkpoint",
        "wti_transfer_model",
        "wti_transfer_targets",
    }
    assert run.tags["lim/cause"] == "20 sessions and no checkpoint yet (needs 15)"
    assert due(lineage)[0].run_key == run.run_key, "a failing training is not asked for at every tick"


def test_a_failed_drift_check_is_a_cause(lineage: Lineage) -> None:
    sessions(lineage, [date(2018, 11, d) for d in (1, 2, 5)])

    @dg.asset_check(asset="validated_bars", name="drift")
    def failing() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    job = dg.Definitions(
        asset_checks=[failing],
        jobs=[dg.define_asset_job("check", dg.AssetSelection.all_asset_checks())],
    ).resolve_job_def("check")
    job.execute_in_process(instance=lineage.instance)
    (run,) = due(lineage)
    assert run.tags["lim/cause"].startswith("the drift check failed; 3 sessions and no checkpoint yet")
    assert "@drift" in run.run_key


def test_results_follow_bars_and_targets(lineage: Lineage) -> None:
    def look() -> Any:
        return results_sensor(
            dg.build_sensor_context(
                lineage.instance,
                resources={"home": Home(root=str(lineage.path))},
                cursor=cursor,
            )
        )

    cursor = None
    assert "no strategy has targets yet" in str(look().skip_message)
    target = {
        "strategy": "wti_transfer",
        "cutoff": date(2018, 11, 1),
        "exchange": "XNYM",
        "instrument_id": "XNYM:WTI",
        "date": date(2018, 11, 1),
        "decided_at": datetime(2018, 11, 2, tzinfo=UTC),
    }
    blanks = {
        name: 0 if dtype.is_numeric() else "x" for name, dtype in TARGETS.schema.items() if name not in target
    }
    rows = pl.DataFrame([{**blanks, **target}], schema=TARGETS.schema)
    lineage.lake.write(TARGETS, rows, rows.select(TARGETS.partition_key))
    checkpoint.folder_of(lineage.path / "models", "wti_transfer", date(2018, 11, 1), "d").mkdir(parents=True)
    (
        checkpoint.folder_of(lineage.path / "models", "wti_transfer", date(2018, 11, 1), "d") / "meta.json"
    ).touch()
    checkpoint.set_current(lineage.path / "models", "wti_transfer", date(2018, 11, 1), "d")
    sessions(lineage, [date(2018, 11, 1)])

    first = look()
    decide, evaluate = first.run_requests
    assert (decide.job_name, decide.partition_key) == ("decide", "2018-11-01")
    assert {key.to_user_string() for key in evaluate.asset_selection} == {
        "wti_transfer_backtest",
        "leaderboard",
    }
    cursor = first.cursor
    assert "nothing new" in str(look().skip_message)


def test_a_home_is_found_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home()
    monkeypatch.setenv("LIM_HOME", str(tmp_path))
    assert home.landing == tmp_path / "landing"
    monkeypatch.delenv("LIM_HOME")
    monkeypatch.chdir(tmp_path)
    assert home.path == tmp_path / ".lim"
