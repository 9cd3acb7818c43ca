"""Nothing stays failed, hangs or is overdue unnoticed: the sentinel, the alerts, the hourly look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from inbox import Inbox, open_inbox
from inprocess import Lineage, checks_of, metadata_of
from lake_rows import bar, frame

from assets.alerts import alerts_sensor
from assets.arrivals import exchange_date_run
from assets.closes import closed_sessions
from assets.sentinel import build_sentinel
from lim_pipelines import clock
from lim_pipelines.definitions import defs
from lim_pipelines.lake import scope_of
from lim_pipelines.schemas import VALIDATED_BARS
from resources.home import Home

SENTINEL = build_sentinel([], [])
HEADER = "symbol,date,open,high,low,close,volume\n"


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """Whom alerts go to."""
    with open_inbox() as one:
        monkeypatch.setenv("LIM_ALERTS", one.address)
        yield one


@pytest.fixture(autouse=True)
def evening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lineage: Lineage) -> None:
    """The evening of 2018-12-03, New York has closed; every real exchange has its session."""
    (tmp_path / "clock").write_text("2018-12-03T23:59:00+00:00")
    monkeypatch.setenv(clock.VARIABLE, str(tmp_path / "clock"))
    for mic in ("XNAS", "XNYM", "XNYS"):
        publish(lineage, mic, date(2018, 12, 3))


def publish(lineage: Lineage, exchange: str, day: date) -> None:
    lineage.lake.write(
        VALIDATED_BARS, frame(bar(day, exchange)), scope_of({"exchange": [exchange], "date": [day]})
    )


def look(lineage: Lineage, cursor: str | None = None) -> Any:
    context = dg.build_sensor_context(
        lineage.instance,
        cursor=cursor,
        resources={"home": Home(root=str(lineage.path))},
        definitions=defs,
    )
    return SENTINEL(context)


def said(result: Any) -> str:
    return str(result.skip_reason.skip_message)


def run(lineage: Lineage, request: dg.RunRequest) -> Any:
    """Run what was asked for as the daemon would."""
    job = defs.resolve_job_def("load_quotes")
    return job.execute_in_process(instance=lineage.instance, tags=request.tags, raise_on_error=False)


def close(mic: str) -> dg.RunRequest:
    moment = clock.now().replace(hour=21, minute=15)
    (request,) = closed_sessions("America/New_York", [mic], moment - timedelta(hours=3), moment)
    return request


def test_where_nothing_is_wrong_it_says_so(lineage: Lineage) -> None:
    assert said(look(lineage)) == "nothing failed, hangs or is overdue"


def test_a_close_whose_load_failed_is_asked_for_again_until_it_succeeds(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = close("XNYS")
    with monkeypatch.context() as patch:
        patch.setattr("lim_pipelines.ingest.load_raw_quotes", lambda *_: 1 / 0)
        assert not run(lineage, request).success
    assert not look(lineage).run_requests, "it rests"
    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    (again,) = look(lineage).run_requests
    assert again.run_key == f"{request.run_key}#2"
    assert (again.asset_selection, again.tags) == (request.asset_selection, request.tags)
    assert run(lineage, again).success
    assert not look(lineage).run_requests


def test_a_close_whose_run_never_reached_the_queue_is_asked_for_under_its_own_key(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = close("XNYS")
    job = defs.resolve_job_def("load_quotes")
    lineage.instance.create_run_for_job(job, tags=request.tags, status=dg.DagsterRunStatus.NOT_STARTED)
    assert not look(lineage).run_requests, "it may be on its way"
    monkeypatch.setattr("assets.requests.NEVER_STARTED", timedelta(0))
    (again,) = look(lineage).run_requests
    assert again.run_key == request.run_key


def test_a_partition_that_stays_failed_is_told_of_once_and_one_that_was_made_since_is_not(
    lineage: Lineage, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.sentinel.LEFT_FAILED", timedelta(0))
    span = date(2018, 11, 19), date(2018, 11, 21)
    with monkeypatch.context() as patch:
        patch.setattr("lim_pipelines.ingest.align_quotes", lambda *_: 1 / 0)
        assert not run(lineage, exchange_date_run("XNYS", "XNYS", *span)).success
    first = look(lineage)
    assert not first.run_requests, "people started it"
    assert said(first).startswith(
        "aligned_bars: 3 partitions from 2018-11-19|XNYS to 2018-11-21|XNYS are failed since run "
    )
    again = look(lineage, first.cursor)
    assert [message["title"] for message in inbox.messages] == ["still wrong: 4"], (
        "the assets behind the one that failed have nothing either"
    )
    assert said(again) == said(first), "the tick goes on saying it"
    assert run(lineage, exchange_date_run("XNYS", "XNYS", *span)).success
    healed = look(lineage, again.cursor)
    assert said(healed) == "nothing failed, hangs or is overdue"
    assert json.loads(healed.cursor) == []


def test_a_run_that_hangs_is_told_of(lineage: Lineage, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    job = defs.resolve_job_def("load_quotes")
    hanging = lineage.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert said(look(lineage)) == "nothing failed, hangs or is overdue"
    monkeypatch.setattr("assets.sentinel.STUCK", timedelta(0))
    assert said(look(lineage)) == f"run {hanging.run_id} of load_quotes is started for 0 h"
    assert inbox.messages[0]["message"] == said(look(lineage))


def test_an_overdue_session_is_told_of_once(lineage: Lineage, inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("2018-12-04T23:59:00+00:00")
    publish(lineage, "XNAS", date(2018, 12, 4))
    publish(lineage, "XNYM", date(2018, 12, 4))
    first = look(lineage)
    look(lineage, first.cursor)
    late = "XNYS: newest session 2018-12-03, 1 to 2018-12-04 due since 2018-12-04 22:00 UTC"
    assert said(first) == late
    assert [message["message"] for message in inbox.messages] == [late]


def test_who_cannot_be_told_keeps_nothing_from_being_asked_for_again(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIM_ALERTS", "json://127.0.0.1:9/nobody")
    monkeypatch.setattr("assets.sentinel.LEFT_FAILED", timedelta(0))
    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    with monkeypatch.context() as patch:
        patch.setattr("lim_pipelines.ingest.load_raw_quotes", lambda *_: 1 / 0)
        assert not run(lineage, close("XNYS")).success
    found = look(lineage)
    assert len(found.run_requests) == 1
    assert json.loads(found.cursor), "it is not told again every five minutes to those who were"


def test_the_hourly_look_is_a_table_and_a_check(lineage: Lineage, tmp_path: Path) -> None:
    fine = lineage.run("freshness")
    assert checks_of(fine)["freshness/no_session_overdue"].passed
    (tmp_path / "clock").write_text("2018-12-04T23:59:00+00:00")
    late = lineage.run("freshness")
    check = checks_of(late)["freshness/no_session_overdue"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description.count("due since") == metadata_of(late, "freshness")["overdue"] == 2


def failure(lineage: Lineage, request: dg.RunRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The context of the alert about a load that failed."""
    with monkeypatch.context() as patch:
        patch.setattr("lim_pipelines.ingest.load_raw_quotes", lambda *_: 1 / 0)
        result = run(lineage, request)
    event = next(e for e in result.all_events if e.event_type_value == "PIPELINE_FAILURE")
    context = dg.build_run_status_sensor_context(
        sensor_name="alerts_sensor",
        dagster_event=event,
        dagster_instance=lineage.instance,
        dagster_run=result.dagster_run,
    )
    return context.for_run_failure()


def test_a_run_that_failed_is_told_of_with_its_cause_and_what_follows(
    lineage: Lineage, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alerts_sensor(failure(lineage, close("XNYS"), monkeypatch)) is None
    (message,) = inbox.messages
    assert message["title"] == "failed: load_quotes 2018-12-03|XNYS"
    assert "cause: XNYS closed at 2018-12-03 21:00 UTC" in message["message"]
    assert "raw_quotes: ZeroDivisionError: division by zero" in message["message"]
    assert "asked for as close:XNYS:2018-12-03; its sensor asks again after a pause" in message["message"]


def test_without_anybody_to_tell_the_tick_says_so(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIM_ALERTS", raising=False)
    skipped = alerts_sensor(failure(lineage, close("XNYS"), monkeypatch))
    assert skipped.skip_message.startswith("nobody to tell: LIM_ALERTS is not set; failed: load_quotes")
