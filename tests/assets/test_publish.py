"""From a file to published bars and back: what is held, who lets it through, and what people are told."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from inprocess import Lineage, checks_of, metadata_of
from lake_rows import content_hash

from assets.gate_checks import published
from assets.releases import releases_sensor
from lim_pipelines.definitions import defs
from lim_pipelines.lake import LATEST, Lake, scope_of
from lim_pipelines.schemas import (
    GATE_RESULTS,
    QUARANTINE,
    RELEASES,
    RESAMPLED_BARS,
    VALIDATED_BARS,
    Table,
)
from lim_pipelines.validate.data_docs import page_of
from resources.home import Home

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.held_home import MONDAY, TUESDAY, WEDNESDAY, minutes

LINE = ("raw_quotes", "aligned_bars", "validated_bars", "resampled_bars")
WEEK = (f"{MONDAY}|XNYS", f"{WEDNESDAY}|XNYS")
LATER = datetime(2020, 3, 1, tzinfo=UTC)
RELEASE = {
    "exchange": "XNYS",
    "first": str(TUESDAY),
    "last": str(TUESDAY),
    "rule": "mostly_right",
    "since": "arrival",
    "released_by": "Ann",
    "why": "the auction's prints really crossed",
}


def drop(lineage: Lineage, day: date, swapped: int = 0, **more: Any) -> None:
    arrived = {"arrived": more.pop("arrived")} if "arrived" in more else {}
    lineage.drop(minutes(day, swapped, **more), f"XNYS/{day}.csv", **arrived)


@pytest.fixture
def week(lineage: Lineage) -> Lineage:
    """A good session, one of which a third cannot be right, one with a single bad row.

    Beside the share's minutes each holds the embedded daily bar of the index.
    """
    for day, swapped in ((MONDAY, 0), (TUESDAY, 10), (WEDNESDAY, 1)):
        drop(lineage, day, swapped)
    return lineage


def rows(lake: Lake, table: Table) -> dict[date, int]:
    """Rows of a table by date."""
    return dict(lake.read(table, as_of=LATEST).group_by("date").len().sort("date").collect().iter_rows())


def everything(lake: Lake, table: Table) -> pl.DataFrame:
    return lake.revisions(table).sort(table.row_key).collect()


def one_minute(lake: Lake) -> dict[date, int]:
    bars = lake.read(VALIDATED_BARS, as_of=LATEST, where=pl.col("freq") == "1m")
    return dict(bars.group_by("date").len().sort("date").collect().iter_rows())


def said(check: dg.AssetCheckEvaluation) -> str:
    return "\n".join([str(check.description), *(f"{k}: {v.value}" for k, v in check.metadata.items())])


def release(lineage: Lineage, **changes: str) -> Any:
    return lineage.run("releases", config={**RELEASE, **changes}, checks=False, may_fail=True)


def look(lineage: Lineage, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=lineage.instance, cursor=cursor, definitions=defs)
    result = releases_sensor(context, home=Home(root=str(lineage.path)))
    assert isinstance(result, dg.SensorResult)
    return result


def execute(lineage: Lineage, request: dg.RunRequest) -> Any:
    """Run what a sensor asked for, as the daemon would, with the checks of the gate."""
    bars = dg.AssetKey("validated_bars")
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=set(request.asset_selection or ()),
        asset_check_selection={dg.AssetCheckKey(bars, name) for name in ("published", "gate", "quarantine")},
    )
    return job.execute_in_process(
        instance=lineage.instance, tags=request.tags, partition_key=request.partition_key
    )


def test_a_held_partition_is_not_published_and_the_others_of_the_range_go_on(week: Lineage) -> None:
    result = week.run(*LINE, start=WEEK[0], end=WEEK[1], checks={"published", "gate", "quarantine"})
    assert one_minute(week.lake) == {MONDAY: 30, WEDNESDAY: 29}
    assert set(rows(week.lake, RESAMPLED_BARS)) == {MONDAY, WEDNESDAY}

    checks = checks_of(result)
    assert checks["validated_bars/gate"].passed
    assert "2 of 3 partitions" in str(checks["validated_bars/gate"].description)
    red = checks["validated_bars/published"]
    assert (red.passed, red.severity) == (False, dg.AssetCheckSeverity.ERROR)
    told = said(red)
    assert "1 of 3 partitions are not published." in told
    for words in (
        "| XNYS | 2018-11-20 | mostly_right | 31 | ",  # which partition, which rule, counts
        "share_failing 0.3333",  # why
        "wrong as a whole",  # why there is the rule
        "send the file again",  # what to do
        "ohlc_order",  # what its rows fail
        "csv_drop/XNYS/2018-11-20.csv",  # the vendor's file
        week.lake.uri(QUARANTINE),
        "landing/",
        "      rule: mostly_right",
    ):
        assert words in told, words


def test_the_config_in_the_red_check_can_be_pasted(week: Lineage) -> None:
    import yaml

    result = week.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks={"published"})
    text = str(checks_of(result)["validated_bars/published"].metadata["how_to_release"].value)
    config = yaml.safe_load(text.split("```yaml")[1].split("```")[0])["ops"]["releases"]["config"]
    done = release(week, **{**config, "released_by": "Ann", "why": "looked at the tape"})
    assert done.success
    assert week.lake.read(RELEASES, as_of=LATEST).collect()["date"].to_list() == [TUESDAY]


def test_how_to_read_the_quarantine_works_as_written(week: Lineage) -> None:
    result = week.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks={"published"})
    text = str(checks_of(result)["validated_bars/published"].metadata["quarantine_how_to_read"].value)
    code = text.split("```python")[1].split("```")[0].strip()
    imports, _, expression = code.partition("\n\n")
    names: dict[str, Any] = {}
    exec(imports, names)
    found = eval(expression, names)
    assert found.filter(pl.col("stage") == "validate")["rule"].to_list() == ["ohlc_order"] * 10
    assert found.filter(pl.col("stage") == "publish")["rule"].to_list() == ["mostly_right"]


def test_a_run_of_nothing_but_held_partitions_stops(week: Lineage) -> None:
    result = week.run(
        *LINE, partition=f"{TUESDAY}|XNYS", checks={"published", "gate", "quarantine"}, may_fail=True
    )
    assert not result.success
    assert not checks_of(result)["validated_bars/gate"].passed
    assert not checks_of(result)["validated_bars/published"].passed
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert made == set(LINE[:3]), "resampled_bars did not run"
    held = metadata_of(result, "validated_bars")
    assert held["partitions_held"] == 1
    assert "mostly_right" in held["held"]
    assert held["rows_in"] == held["rows_quarantined"] + held["rows_not_published"] == 31


def test_a_held_partition_says_so_where_its_partition_is_shown(week: Lineage) -> None:
    result = week.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks=False)
    marked = {
        event.partition: event.materialization.metadata["not_published"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("validated_bars") and event.partition == f"{TUESDAY}|XNYS"
    }
    assert "mostly_right" in marked[f"{TUESDAY}|XNYS"]


def test_bad_rows_alone_are_quarantined_and_the_partition_is_published(lineage: Lineage) -> None:
    drop(lineage, WEDNESDAY, 1)
    result = lineage.run(*LINE, partition=f"{WEDNESDAY}|XNYS", checks={"published", "gate", "quarantine"})
    checks = checks_of(result)
    assert checks["validated_bars/published"].passed
    assert checks["validated_bars/gate"].passed
    assert "1 rows were held back" in str(checks["validated_bars/quarantine"].description)
    assert "rule: ohlc_order" in said(checks["validated_bars/quarantine"])
    assert one_minute(lineage.lake) == {WEDNESDAY: 29}


def test_what_was_published_stays_until_a_file_is_right_again(lineage: Lineage) -> None:
    drop(lineage, TUESDAY)
    lineage.run(*LINE, start=WEEK[0], end=WEEK[1], checks=False)
    scope = scope_of({"exchange": ["XNYS"], "date": [TUESDAY]})
    tables = (VALIDATED_BARS, RESAMPLED_BARS)
    before = [content_hash(lineage.lake, table, scope) for table in tables]

    drop(lineage, TUESDAY, 10, price=118.0, arrived=LATER)
    wrong = lineage.run(*LINE, start=WEEK[0], end=WEEK[1], checks={"published"}, may_fail=True)
    assert not checks_of(wrong)["validated_bars/published"].passed
    assert [content_hash(lineage.lake, table, scope) for table in tables] == before

    drop(lineage, TUESDAY, price=118.0, arrived=LATER + timedelta(days=1))
    right = lineage.run(*LINE, start=WEEK[0], end=WEEK[1], checks={"published", "gate"})
    assert checks_of(right)["validated_bars/published"].passed
    opens = [
        lineage.lake.read(VALIDATED_BARS, as_of=as_of, where=pl.col("freq") == "1m").collect()["open"].min()
        for as_of in (LATER - timedelta(days=1), LATEST)
    ]
    assert opens == [117.1, 118.1], "a revision: what was known before stays known"


def test_a_release_is_recorded_and_published_once(week: Lineage) -> None:
    week.run(*LINE, start=WEEK[0], end=WEEK[1], checks=False)
    nobody = look(week)
    assert "nobody has released anything" in str(nobody.skip_reason)

    done = release(week)
    assert done.success
    shown = metadata_of(done, "releases")
    assert (shown["released_by"], shown["why"]) == (RELEASE["released_by"], RELEASE["why"])
    (run,) = week.instance.get_run_records(dg.RunsFilter(tags={"lim/released_by": "Ann"}))
    assert run.dagster_run.run_id == done.run_id

    asked = look(week, nobody.cursor)
    (request,) = asked.run_requests or ()
    assert [key.to_user_string() for key in request.asset_selection or ()] == [
        "validated_bars",
        "resampled_bars",
        "model_inputs",
    ]
    assert request.tags["dagster/asset_partition_range_start"] == f"{TUESDAY}|XNYS"
    assert request.tags["dagster/asset_partition_range_end"] == f"{TUESDAY}|XNYS"
    result = execute(week, request)
    assert one_minute(week.lake) == {MONDAY: 30, TUESDAY: 20, WEDNESDAY: 29}, "but for the rows that fail"
    assert TUESDAY in rows(week.lake, RESAMPLED_BARS)
    green = checks_of(result)["validated_bars/published"]
    assert green.passed
    assert "Ann" in str(green.description)
    assert RELEASE["why"] in said(green)

    again = look(week, asked.cursor)
    assert not again.run_requests
    assert json.loads(str(again.cursor))["asks"] == []
    assert not release(week).success, "there is nothing held any more"


def test_rows_are_released_by_rule_and_instrument(week: Lineage) -> None:
    week.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks=False)
    day = str(WEDNESDAY)
    assert release(week, first=day, last=day, rule="ohlc_order", symbol="XNYS:IBM", since="release").success
    week.run("validated_bars", start=WEEK[0], end=WEEK[1], checks=False)
    assert one_minute(week.lake) == {MONDAY: 30, WEDNESDAY: 30}
    earlier = week.lake.read(VALIDATED_BARS, as_of=LATER, where=pl.col("date") == WEDNESDAY).collect()
    assert earlier.filter(pl.col("freq") == "1m").height == 29, "known from the release on"
    verdict = week.lake.read(GATE_RESULTS, as_of=LATEST).filter(pl.col("date") == WEDNESDAY).collect()
    assert verdict.filter(pl.col("rule") == "ohlc_order")["released"].to_list() == [1]


def test_other_content_than_what_was_released_is_judged_anew(week: Lineage) -> None:
    week.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks=False)
    assert release(week).success
    drop(week, TUESDAY, 12, price=119.0, arrived=LATER)
    week.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks=False)
    assert TUESDAY not in one_minute(week.lake)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rule": "no_such"}, "write one of"),
        ({"rule": "jump"}, "no blocking rule of bars is named 'jump'"),
        ({"since": "now"}, "write arrival"),
        ({"first": "20.11.2018"}, "write dates such as 2018-11-20"),
        ({"first": str(WEDNESDAY), "last": str(MONDAY)}, "is after last"),
        ({"released_by": " "}, "released_by: is empty"),
        ({"why": ""}, "why: is empty"),
        ({"rule": "ohlc_order", "first": str(MONDAY), "last": str(MONDAY)}, "holds nothing"),
        ({"exchange": "XNAS"}, "holds nothing back of XNAS"),
        ({"rule": "ohlc_order", "symbol": "XNYS:XOM"}, "of XNYS:XOM"),
    ],
)
def test_a_release_that_is_none_is_refused_with_what_to_write(
    held_week: Lineage, changes: dict[str, str], words: str
) -> None:
    result = release(held_week, **changes)
    assert not result.success
    failure = result.failure_data_for_node("releases").user_failure_data
    assert words in str(failure.description)
    assert held_week.lake.version(RELEASES) == -1


@pytest.fixture(scope="module")
def held_week(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from inprocess import open_lineage

    with open_lineage(tmp_path_factory.mktemp("held")) as lineage:
        for day, swapped in ((MONDAY, 0), (TUESDAY, 10), (WEDNESDAY, 1)):
            drop(lineage, day, swapped)
        lineage.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks=False)
        yield lineage


@pytest.mark.parametrize("lost", [GATE_RESULTS, QUARANTINE])
def test_a_run_killed_before_it_wrote_down_why_is_healed_by_the_next(week: Lineage, lost: Table) -> None:
    """The bars are committed, what was found is not: as the folder looks then."""
    week.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks=False)
    tables = (VALIDATED_BARS, GATE_RESULTS, QUARANTINE)
    before = [everything(week.lake, table) for table in tables]
    shutil.rmtree(week.lake.uri(lost))
    result = week.run(*LINE[:3], start=WEEK[0], end=WEEK[1], checks={"published", "gate"})
    assert not checks_of(result)["validated_bars/published"].passed
    assert all(there.equals(everything(week.lake, t)) for there, t in zip(before, tables, strict=True))


def test_the_history_before_the_first_daily_partition_is_held_and_released_alike(lineage: Lineage) -> None:
    day = date(2018, 9, 18)
    lineage.drop(minutes(day, 10), f"XNYS/history/{day}.csv")
    first = lineage.run("archive", partition="XNYS")
    red = checks_of(first)["archive/published"]
    assert not red.passed
    assert f"| XNYS | {day} | mostly_right |" in said(red)
    assert day not in one_minute(lineage.lake)

    cursor = look(lineage).cursor
    assert release(lineage, first=str(day), last=str(day)).success
    (request,) = look(lineage, cursor).run_requests or ()
    assert (request.job_name, request.partition_key) == ("import_archive", "XNYS")
    assert {key.to_user_string() for key in request.asset_selection or ()} == {"archive", "archive_inputs"}
    green = checks_of(lineage.run("archive", partition="XNYS"))["archive/published"]
    assert green.passed
    assert one_minute(lineage.lake)[day] == 20


def test_releases_far_apart_are_validated_in_runs_of_their_own(lineage: Lineage) -> None:
    days = [date(2018, 11, 16), MONDAY, date(2019, 3, 1)]  # over a weekend, and months later
    rows = RELEASES.conform(
        pl.DataFrame({"date": days}).with_columns(
            *(
                pl.lit(RELEASE[name]).alias(name)
                for name in ("exchange", "rule", "since", "released_by", "why")
            ),
            symbol=pl.lit(""),
            content=pl.lit("as looked at"),
            known_at=pl.lit(LATER),
        )
    )
    lineage.lake.write(RELEASES, rows, rows.select(RELEASES.partition_key))
    asked = look(lineage)
    start, end = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    assert [(run.tags[start], run.tags[end]) for run in asked.run_requests or ()] == [
        ("2018-11-16|XNYS", "2018-11-19|XNYS"),
        ("2019-03-01|XNYS", "2019-03-01|XNYS"),
    ]
    again = look(lineage, asked.cursor)
    keys = [run.run_key for run in again.run_requests or ()]
    assert keys == [run.run_key for run in asked.run_requests or ()], "until they have run: the same, once"


def test_checks_link_to_the_data_docs_once_they_are_built(lineage: Lineage) -> None:
    home = Home(root=str(lineage.path))
    verdicts = GATE_RESULTS.empty()
    assert "materialise `data_docs`" in str(
        published(lineage.lake, home, verdicts).metadata["data_docs"].value
    )
    page = home.data_docs / page_of(VALIDATED_BARS.name)
    page.parent.mkdir(parents=True)
    page.write_text("rules")
    assert published(lineage.lake, home, verdicts).metadata["data_docs"].value == str(page)
