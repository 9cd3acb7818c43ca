"""The schedules at the end of a trading day, evaluated as the daemon would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._utils.error import SerializableErrorInfo

from assets.closes import SCHEDULES, last_look

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
NAMED = {schedule.name: schedule for schedule in SCHEDULES}


def tick(name: str, exchanges: Sequence[str], *moment: int) -> Any:
    """What a schedule asks for; it wants an instance on disk."""
    scheduled = datetime(*moment, tzinfo=UTC)
    with dg.DagsterInstance.local_temp() as instance:
        instance.add_dynamic_partitions("exchange", exchanges)
        with dg.build_schedule_context(instance, scheduled_execution_time=scheduled) as context:
            return NAMED[name](context)


def test_one_schedule_a_zone_at_its_closes_plus_the_feeds_lag() -> None:
    new_york = NAMED["close_america_new_york"]
    assert new_york.execution_timezone == "America/New_York"
    assert new_york.cron_schedule == ["15 13 * * *", "15 16 * * *", "15 17 * * *", "15 18 * * *"]
    assert NAMED["close_utc"].cron_schedule == ["15 0 * * *"]


def test_a_close_asks_for_the_sessions_that_are_over_and_for_no_other_exchange() -> None:
    asked = tick("close_america_new_york", ["XNAS", "XNYM", "XNYS", "XTKS"], 2018, 12, 3, 21, 15)
    assert [[run.tags[tag] for tag in RANGE] for run in asked] == [
        ["2018-12-03|XNAS", "2018-12-03|XNAS"],
        ["2018-12-03|XNYS", "2018-12-03|XNYS"],
    ]
    assert asked[0].run_key == asked[0].tags["lim/ask"] == "close:XNAS:2018-12-03"
    assert asked[0].tags["lim/cause"] == "XNAS closed at 2018-12-03 21:00 UTC"
    (oil,) = tick("close_america_new_york", ["XNAS", "XNYM", "XNYS"], 2018, 12, 3, 23, 15)
    assert oil.tags[RANGE[0]] == "2018-12-03|XNYM"


def test_a_midnight_closes_the_day_before() -> None:
    (run,) = tick("close_utc", ["COINBASE"], 2018, 12, 2, 0, 15)
    assert run.tags[RANGE[0]] == "2018-12-01|COINBASE"


def test_the_daemon_ticks_on_the_zones_own_clock() -> None:
    with dg.DagsterInstance.local_temp() as instance:
        instance.add_dynamic_partitions("exchange", ["XNYS"])
        scheduled = datetime(2018, 12, 3, 16, 15, tzinfo=ZoneInfo("America/New_York"))
        with dg.build_schedule_context(instance, scheduled_execution_time=scheduled) as context:
            (run,) = NAMED["close_america_new_york"](context)
    assert run.run_key == "close:XNYS:2018-12-03"


def looked_back(back: list[tuple[str, int]], switched_on: int) -> timedelta:
    """How far a tick looks back that has ticks and its switching on some hours behind it."""
    moment = datetime(2018, 12, 3, 22, 15, tzinfo=UTC)  # the tick before was an hour ago
    name, kind = "close_america_new_york", InstigatorType.SCHEDULE
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"), name
    )
    on = ScheduleInstigatorData("* * * * *", (moment - timedelta(hours=switched_on)).timestamp())
    state = InstigatorState(origin, kind, InstigatorStatus.RUNNING, on)
    with dg.DagsterInstance.local_temp() as instance:
        instance.add_instigator_state(state)
        for status, hours in back:
            then = (moment - timedelta(hours=hours)).timestamp()
            instance.create_tick(
                TickData(
                    *(state.instigator_origin_id, name, kind, TickStatus[status], then, [], []),
                    error=SerializableErrorInfo("wrong", [], None) if status == "FAILURE" else None,
                    selector_id=state.selector_id,
                )
            )
        return moment - last_look(instance, name, "America/New_York", moment)


@pytest.mark.parametrize(
    ("back", "switched_on", "hours"),
    [
        ([], 30, 30),
        ([("SKIPPED", 7), ("FAILURE", 3), ("STARTED", 0)], 30, 7),
        ([("SUCCESS", 1)], 30, 1),
        ([("SUCCESS", 400)], 500, 168),
        ([], 0, 1),
    ],
)
def test_a_tick_looks_back_to_the_last_one_that_was_evaluated(
    back: list[tuple[str, int]], switched_on: int, hours: int
) -> None:
    assert looked_back(back, switched_on) == timedelta(hours=hours)


def test_a_holiday_is_skipped_in_words() -> None:
    skipped = tick("close_america_new_york", ["XNAS", "XNYS"], 2018, 12, 5, 21, 15)  # day of mourning
    assert skipped.skip_message == (
        "no session of XNAS, XNYS has ended since 2018-12-05 18:15 UTC: closed, or half a day"
    )


def test_a_zone_without_quotes_is_skipped_with_advice() -> None:
    assert tick("close_asia_tokyo", ["XNYS"], 2018, 12, 3, 6, 15).skip_message == (
        "no exchange of Asia/Tokyo has quotes yet; drop files into landing/<source>/"
    )
