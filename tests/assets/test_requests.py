"""What was asked for and failed is asked for again after a pause that doubles, up to ten hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from assets.requests import LONGEST_PAUSE, NEVER_STARTED, RETRY_AFTER, TAG, run_key, tries


@dg.job
def fails() -> None:
    @dg.op
    def step() -> None:
        raise dg.Failure("a fault")

    step()


@pytest.mark.parametrize("failed", range(1, 9))
def test_the_pause_doubles_with_each_failure_and_has_an_end(failed: int) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(failed):
            fails.execute_in_process(instance=instance, tags={TAG: "load"}, raise_on_error=False)
        newest = instance.get_run_records(limit=1)[0]
        assert newest.end_time is not None
        end = datetime.fromtimestamp(newest.end_time, UTC)
        pause = min(RETRY_AFTER * 2 ** (failed - 1), LONGEST_PAUSE)
        early, late = (tries(instance, "load", end + pause + timedelta(seconds=s)) for s in (-1, 1))
        assert (early.due, late.due) == (False, True)
        assert (late.runs, late.succeeded, late.working) == (failed, False, False)
        assert run_key("load", late.runs) == f"load#{failed + 1}"
        assert tries(instance, "another", end).due


def test_every_try_has_a_key_of_its_own_however_many_there_were() -> None:
    # Dagster launches no key twice: one that comes again is an ask that is forgotten.
    keys = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(60):
            keys.append(run_key("load", tries(instance, "load").runs))
            instance.create_run_for_job(fails, tags={TAG: "load"}, status=dg.DagsterRunStatus.FAILURE)
    assert len(set(keys)) == 60


@pytest.mark.parametrize("failed", [0, 2])
def test_a_run_that_could_not_be_enqueued_is_asked_for_again_under_its_own_key(failed: int) -> None:
    # As when the database dies between the two: the daemon logs it, ends the tick well, and looks no more.
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(failed):
            instance.create_run_for_job(fails, tags={TAG: "load"}, status=dg.DagsterRunStatus.FAILURE)
        key = run_key("load", tries(instance, "load").runs)
        instance.create_run_for_job(fails, tags={TAG: "load"}, status=dg.DagsterRunStatus.NOT_STARTED)
        created = instance.get_run_records(limit=1)[0].create_timestamp
        just, long_ago = (
            tries(instance, "load", created + NEVER_STARTED + timedelta(seconds=s)) for s in (-1, 1)
        )
        assert (just.working, just.due) == (True, False)
        assert (long_ago.working, long_ago.due, long_ago.succeeded) == (False, True, False)
        assert run_key("load", long_ago.runs) == key, "Dagster submits the run that it finds under this key"
