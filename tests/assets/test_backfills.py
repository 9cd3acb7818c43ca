"""Backfills, evaluated as the daemon would: the trailing week, and a range piece by piece."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from inprocess import Lineage

from assets.backfills import Range, backfill, backfill_sensor, parsed, trailing_backfill
from lim_pipelines.definitions import defs

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def spans(requests: Any) -> list[list[str]]:
    return [[run.tags[tag] for tag in RANGE] for run in requests]


def ask(lineage: Lineage, exchange: str, first: str, last: str, chunk: int = 20, **options: Any) -> Any:
    config = {"exchange": exchange, "first": first, "last": last, "chunk": chunk}
    ops = {"ops": {"record_backfill": {"config": config}}}
    return backfill.execute_in_process(ops, instance=lineage.instance, **options)


def look(lineage: Lineage, cursor: str | None = None) -> Any:
    return backfill_sensor(dg.build_sensor_context(lineage.instance, cursor=cursor))


def end(lineage: Lineage, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    """The run that was asked for, as it ends; loading itself is tested elsewhere."""
    job = defs.resolve_job_def("load_quotes")
    lineage.instance.create_run_for_job(job, tags=request.tags, status=status)


def test_the_trailing_week_is_loaded_again_on_every_exchange() -> None:
    moment = datetime(2018, 11, 24, 3, tzinfo=UTC)
    with (
        dg.DagsterInstance.local_temp() as instance,
        dg.build_schedule_context(instance, scheduled_execution_time=moment) as context,
    ):
        assert "no exchange has quotes yet" in trailing_backfill(context).skip_message
        instance.add_dynamic_partitions("exchange", ["XTKS", "XNYS"])
        requests = trailing_backfill(context)
    # Thanksgiving in New York; Labour Thanksgiving in Tokyo.
    assert spans(requests) == [
        ["2018-11-16|XNYS", "2018-11-23|XNYS"],
        ["2018-11-16|XTKS", "2018-11-22|XTKS"],
    ]
    assert requests[0].run_key == requests[0].tags["lim/ask"] == "trailing:XNYS:2018-11-16..2018-11-23"
    assert requests[0].tags["lim/cause"] == "the last 5 sessions of XNYS, once a week"


def test_the_trailing_week_begins_with_the_first_daily_partition() -> None:
    moment = datetime(2018, 10, 6, 3, tzinfo=UTC)
    with (
        dg.DagsterInstance.local_temp() as instance,
        dg.build_schedule_context(instance, scheduled_execution_time=moment) as context,
    ):
        instance.add_dynamic_partitions("exchange", ["XHKG", "XSHG"])
        # Hong Kong had a holiday in that week, Shanghai no session at all.
        assert spans(trailing_backfill(context)) == [["2018-10-01|XHKG", "2018-10-05|XHKG"]]


def test_a_range_is_loaded_piece_by_piece_each_when_the_one_before_has_ended(lineage: Lineage) -> None:
    assert look(lineage).skip_reason.skip_message == "no backfill is asked for, or all are finished"
    assert ask(lineage, "XNYS", "2018-11-01", "2018-11-30", chunk=10).success
    first = look(lineage)
    (request,) = first.run_requests
    assert spans([request]) == [["2018-11-01|XNYS", "2018-11-14|XNYS"]]
    assert request.tags["dagster/priority"] == "-1"
    end(lineage, request, dg.DagsterRunStatus.STARTED)
    waiting = look(lineage, first.cursor)
    assert not waiting.run_requests
    assert waiting.skip_reason.skip_message == (
        "XNYS: piece 1 of 3, 2018-11-01 to 2018-11-14, is being loaded"
    )
    end(lineage, request, dg.DagsterRunStatus.SUCCESS)
    cursor, asked = waiting.cursor, []
    for _ in range(2):
        following = look(lineage, cursor)
        asked += following.run_requests
        end(lineage, asked[-1], dg.DagsterRunStatus.SUCCESS)
        cursor = following.cursor
    assert spans(asked) == [
        ["2018-11-15|XNYS", "2018-11-29|XNYS"],
        ["2018-11-30|XNYS", "2018-11-30|XNYS"],
    ]
    assert not look(lineage, cursor).run_requests
    assert not look(lineage).run_requests, "without its cursor it finds its place again"


def test_one_piece_at_a_time_over_all_backfills_and_one_that_rests_holds_up_no_other(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(lineage, "XNYS", "2018-11-01", "2018-11-30")
    ask(lineage, "XNAS", "2018-11-01", "2018-11-30")
    (oldest,) = look(lineage).run_requests
    assert spans([oldest])[0][0].endswith("XNYS")
    end(lineage, oldest, dg.DagsterRunStatus.FAILURE)
    (other,) = look(lineage).run_requests
    assert spans([other])[0][0].endswith("XNAS")
    end(lineage, other, dg.DagsterRunStatus.STARTED)
    # The pause is tested in test_requests.py; nobody waits for it here.
    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    assert not look(lineage).run_requests, "the other is being loaded"
    end(lineage, other, dg.DagsterRunStatus.SUCCESS)
    (again,) = look(lineage).run_requests
    assert again.run_key == f"{oldest.run_key}#2"


def test_a_backfill_whose_run_is_deleted_is_given_up(lineage: Lineage) -> None:
    run = ask(lineage, "XNYS", "2018-11-01", "2018-11-30")
    asked = look(lineage)
    lineage.instance.delete_run(run.run_id)
    assert not look(lineage, asked.cursor).run_requests


def test_no_backfill_is_forgotten_however_many_were_asked_for_since(lineage: Lineage) -> None:
    def config(day: int) -> dict[str, Any]:
        span = {"exchange": "XNYS", "first": f"2018-11-{day:02}", "last": f"2018-11-{day:02}"}
        return {"ops": {"record_backfill": {"config": span}}}

    for day in (1, *[2] * 101):
        lineage.instance.create_run_for_job(
            backfill, run_config=config(day), status=dg.DagsterRunStatus.SUCCESS
        )
    assert spans(look(lineage).run_requests) == [["2018-11-01|XNYS", "2018-11-01|XNYS"]]


@pytest.mark.parametrize(
    ("config", "remedy"),
    [
        (
            ("XLON", "2018-11-01", "2018-11-30", 5),
            "'XLON' is not in use; write one of XNAS, XNYM, XNYS, XSIM",
        ),
        (("XNYS", "November", "2018-11-30", 5), "write dates such as 2018-11-20"),
        (("XNYS", "2018-09-01", "2018-11-30", 5), "what is older materialises with archive"),
        (("XNYS", "2018-11-30", "2018-11-01", 5), "is no range within the daily partitions"),
        (("XNYS", "2018-11-01", "2018-11-30", 0), "write at least 1 session"),
    ],
)
def test_what_is_no_backfill_is_refused_with_what_to_write(
    config: tuple[str, str, str, int], remedy: str
) -> None:
    exchange, first, last, chunk = config
    with pytest.raises(dg.Failure, match=remedy):
        parsed(
            "run",
            Range(exchange=exchange, first=first, last=last, chunk=chunk),
            ["XNYS", "XNAS", "XNYM", "XSIM"],
        )


def test_a_range_without_a_session_is_refused(lineage: Lineage) -> None:
    assert not ask(lineage, "XNYS", "2018-11-24", "2018-11-25", raise_on_error=False).success
    assert not look(lineage).run_requests


def test_what_was_refused_is_not_loaded(lineage: Lineage) -> None:
    assert not ask(lineage, "XLON", "2018-11-01", "2018-11-30", raise_on_error=False).success
    assert look(lineage).skip_reason.skip_message == "no backfill is asked for, or all are finished"


def test_the_default_piece_is_known_where_nobody_writes_it(lineage: Lineage) -> None:
    config = {"exchange": "XNYS", "first": "2018-11-01", "last": "2018-11-30"}
    backfill.execute_in_process({"ops": {"record_backfill": {"config": config}}}, instance=lineage.instance)
    assert spans(look(lineage).run_requests) == [["2018-11-01|XNYS", "2018-11-29|XNYS"]]
