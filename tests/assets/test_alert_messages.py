"""What people read of a run that failed: which, why, and what happens next."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster import DagsterRun

from assets.alerts import message
from assets.requests import CAUSE, TAG

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
BY_HAND = "started by hand or by a schedule; not asked for again by itself"


@pytest.mark.parametrize(
    ("job", "tags", "title"),
    [
        ("load_quotes", {FIRST: "2018-12-03|XNYS", LAST: "2018-12-03|XNYS"}, "load_quotes 2018-12-03|XNYS"),
        ("load_quotes", {FIRST: "a", LAST: "b"}, "load_quotes a to b"),
        ("decide", {"dagster/partition": "2018-12-01"}, "decide 2018-12-01"),
        ("__ASSET_JOB", {}, "freshness, landing_files"),
    ],
)
def test_the_title_names_what_failed(job: str, tags: dict[str, str], title: str) -> None:
    made = {dg.AssetKey("landing_files"), dg.AssetKey("freshness")}
    run = DagsterRun(job_name=job, run_id="abc", tags=tags, asset_selection=made)
    assert message(run, "why") == (f"failed: {title}", f"why\n{BY_HAND}\nrun abc")


def test_a_run_that_is_remembered_says_so_and_a_long_error_is_cut() -> None:
    run = DagsterRun(job_name="load_quotes", run_id="abc", tags={TAG: "close:XNYS", CAUSE: "XNYS closed"})
    _, body = message(run, "e" * 100_000)
    cause, error, asked, last = body.split("\n")
    assert (cause, last) == ("cause: XNYS closed", "run abc")
    assert error == "e" * 2000
    assert asked == "asked for as close:XNYS; its sensor asks again after a pause"
