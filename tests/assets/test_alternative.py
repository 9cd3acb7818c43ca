"""Assets of alternative data, and what makes them run: ledger, sensor, one load; bad files on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from alternative_world import (
    WIRE,
    Wire,
    claim,
    event,
    fact,
    list_shares,
    listing,
    relation,
    rows_of,
    send,
    text,
)
from inprocess import LONG_AGO, Lineage, checks_of, metadata_of, open_lineage

from assets.automation import daily_alternative, landing_sensor
from lim_pipelines.definitions import defs
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    ALTERNATIVE_FILES,
    ENTITY_LINKS,
    LANDING_FILES,
    LINK_REVIEWS,
    QUARANTINE,
    RAW_FACTS,
    RAW_QUOTES,
    VALIDATED_FACTS,
)
from lim_pipelines.sources.base import ParsedTables, SourceFile
from resources.home import Home

SHAPES = ("facts", "events", "texts", "relations")
RAW = [*(f"raw_{shape}" for shape in SHAPES), "raw_claims", "alternative_files"]
REFERENCE = ["corporate_actions", "futures_rolls", "index_members"]
MASTER = ["entities", "entity_links", "link_reviews"]
STEPS = [f"{stage}_{shape}" for stage in ("aligned", "validated") for shape in SHAPES]
LATER = datetime(2026, 9, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _the_wire_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("lim_pipelines.sources", "lim_pipelines.landing.inspect"):
        monkeypatch.setattr(f"{where}.ALTERNATIVE_SOURCES", (WIRE,))


def look(lineage: Lineage, cursor: str | None = None) -> Any:
    return landing_sensor(
        dg.build_sensor_context(
            lineage.instance, cursor=cursor, resources={"home": Home(root=str(lineage.path))}
        )
    )


def learn(lineage: Lineage, cursor: str | None = None) -> Any:
    """Bring the ledger up to date as the sensor asks for, and look again."""
    assert "register_landing_files" in [run.job_name for run in look(lineage, cursor).run_requests]
    lineage.run("landing_files", checks=False)
    return look(lineage, cursor)


def load(lineage: Lineage, request: dg.RunRequest) -> Any:
    """Run the load as the daemon would, but for texts' embeddings and macro series."""
    assert request.job_name == "load_alternative"
    keys = {dg.AssetKey(name) for name in (*RAW, *MASTER, *STEPS)}
    graph = defs.resolve_asset_graph()
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=keys, asset_check_selection=graph.get_check_keys_for_assets(keys)
    )
    return job.execute_in_process(instance=lineage.instance, tags=request.tags, raise_on_error=False)


def ledger(lineage: Lineage) -> list[Any]:
    return rows_of(lineage.lake, LANDING_FILES, ["path", "exchange", "rows", "rows_rejected", "rule"])


def test_files_go_from_the_sensor_to_validated_tables_in_one_load(lineage: Lineage) -> None:
    list_shares(lineage.lake, listing("AAA"))
    rows = [fact(), fact("ZZZ"), event(), text(), text(words=" "), relation(), claim(), "no json"]
    send(lineage.landing, "a", *rows)
    send(lineage.landing, "b", fact(known="2015-06-01", value=3.0))
    send(lineage.landing, "c", "refuse")
    sensed = learn(lineage)
    (run,) = sensed.run_requests
    assert run.job_name == "load_alternative"
    assert not sensed.dynamic_partitions_requests, "alternative data is no exchange"
    assert ledger(lineage) == [
        ("wire/history/a.jsonl", "ALTERNATIVE", 7, 1, ""),
        ("wire/history/b.jsonl", "ALTERNATIVE", 1, 0, ""),
        ("wire/history/c.jsonl", "ALTERNATIVE", 0, 0, "no_lines"),
    ]
    result = load(lineage, run)
    assert result.success
    assert metadata_of(result, "raw_facts")["rows_read"] == 3
    assert "| wire | 3 |" in str(metadata_of(result, "raw_facts")["by_source"])
    aligned = metadata_of(result, "aligned_facts")
    assert (aligned["rows_in"], aligned["rows_quarantined"], aligned["dagster/row_count"]) == (3, 1, 2)
    assert "| wire | unlinked_symbol | 1 |" in str(aligned["quarantine"])
    assert metadata_of(result, "validated_texts")["rows_quarantined"] == 1
    files = metadata_of(result, "alternative_files")
    assert (files["files_read"], files["refused"], files["rows_rejected"]) == (3, 1, 1)
    checks = checks_of(result)
    assert "drop it as shipped" in str(checks["alternative_files/refused_files"].metadata["files"].value)
    failing = {name for name, check in checks.items() if not check.passed and "wire" in str(check.metadata)}
    assert failing >= {
        "alternative_files/refused_files",
        "alternative_files/quarantine",
        "validated_facts/quarantine",
        "validated_texts/quarantine",
    }
    assert checks["validated_events/quarantine"].passed
    # What has not changed has the same data version, and asks for nothing.
    assert not look(lineage, sensed.cursor).run_requests
    versions = [data_versions(result), data_versions(load(lineage, run))]
    assert versions[0] == versions[1]


def data_versions(result: Any) -> dict[str, str]:
    return {
        event.asset_key.to_user_string(): event.materialization.tags["dagster/data_version"]
        for event in result.get_asset_materialization_events()
        if event.asset_key.to_user_string() in (*RAW, *STEPS)
    }


def test_a_load_that_failed_is_asked_for_again_also_with_what_is_new(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(lineage.landing, "a", fact())
    sensed = learn(lineage)
    (run,) = sensed.run_requests
    with monkeypatch.context() as patch:
        patch.setattr("assets.alternative.load_raw", lambda *_: 1 / 0)
        assert not load(lineage, run).success
    resting = look(lineage, sensed.cursor)
    assert not resting.run_requests, "not at every tick"
    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    (again,) = look(lineage, resting.cursor).run_requests
    assert again.run_key == f"{run.run_key}#2"
    send(lineage.landing, "b", fact("BBB"))
    both = learn(lineage, resting.cursor)
    (one,) = [request for request in both.run_requests if request.job_name == "load_alternative"]
    assert one.run_key != run.run_key
    assert load(lineage, one).success
    assert json.loads(look(lineage, both.cursor).cursor)["asks"] == []
    assert len(rows_of(lineage.lake, RAW_FACTS)) == 2


def test_a_touched_file_is_no_news_and_a_changed_one_is(lineage: Lineage) -> None:
    send(lineage.landing, "a", fact())
    cursor = learn(lineage).cursor
    cursor = json.dumps({**json.loads(cursor), "asks": []})
    send(lineage.landing, "a", fact(), arrived=LATER)
    touched = learn(lineage, cursor)
    assert not touched.run_requests
    send(lineage.landing, "a", fact(value=2.0), arrived=LATER + timedelta(days=1))
    assert [run.job_name for run in learn(lineage, touched.cursor).run_requests] == ["load_alternative"]


def test_a_file_of_no_alternative_source_is_a_stranger_in_its_folder(lineage: Lineage) -> None:
    send(lineage.landing, "a", fact())
    (lineage.landing / "wire" / "notes.txt").write_text("hello")
    os.utime(lineage.landing / "wire" / "notes.txt", (LONG_AGO.timestamp(),) * 2)
    learn(lineage)
    assert {(row[0], row[4]) for row in ledger(lineage)} == {
        ("wire/history/a.jsonl", ""),
        ("wire/notes.txt", "unknown_file"),
    }


def test_a_folder_shared_with_quotes_gives_both(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> None:
    class Beside(Wire):
        """Reads figures out of files that hold bars, too."""

        def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
            yield self.parse([json.dumps(fact("IBM", "2018-11-20", "2018-11-21"))], file)

    beside = Beside("csv_drop", ".csv")
    for where in ("lim_pipelines.sources", "lim_pipelines.landing.inspect"):
        monkeypatch.setattr(f"{where}.ALTERNATIVE_SOURCES", (beside,))
    header = "symbol,date,open,high,low,close,volume\n"
    lineage.drop(header + "IBM,2018-11-20,117,118,116,117.2,5000\n", "XNYS/a.csv")
    sensed = learn(lineage)
    assert {run.job_name for run in sensed.run_requests} == {"load_quotes", "load_alternative"}
    assert [(row[1], row[2]) for row in ledger(lineage)] == [("ALTERNATIVE", 1), ("XNYS", 1)]
    lineage.quotes("2018-11-20|XNYS")
    (run,) = [run for run in sensed.run_requests if run.job_name == "load_alternative"]
    load(lineage, run)
    quotes = lineage.lake.revisions(RAW_QUOTES, pl.col("source") == "csv_drop").collect()
    assert quotes.height == len(rows_of(lineage.lake, VALIDATED_FACTS)) == 1


def test_a_persons_decision_brings_a_load_and_links_what_waited(lineage: Lineage) -> None:
    list_shares(lineage.lake, listing("AAA"))
    send(lineage.landing, "a", fact("ZZZ"))
    sensed = learn(lineage)
    load(lineage, sensed.run_requests[0])
    waiting = lineage.lake.revisions(LINK_REVIEWS, pl.col("state") == "pending").collect()
    assert waiting.select("name", "rows").rows() == [("ZZZ", 1)]
    folder = lineage.landing / "link_decisions"
    folder.mkdir()
    decision = folder / "mine.csv"
    decision.write_text("source,name,entity_id,decision,decided_by\nwire,ZZZ,XNYS:AAA,accepted,me\n")
    os.utime(decision, (LONG_AGO.timestamp(),) * 2)
    typo = folder / "typo.csv"
    typo.write_text("source,name,entity_id,decision,decided_by\nwire,YYY,XNYS:NOBODY,accepted,me\n")
    os.utime(typo, (LONG_AGO.timestamp(),) * 2)
    decided = learn(lineage, sensed.cursor)
    (run,) = decided.run_requests
    check = checks_of(load(lineage, run))["link_reviews/refused_files"]
    assert not check.passed
    (refused,) = [record.data for record in check.metadata["files"].value.records]
    assert (refused["path"], refused["rule"]) == ("link_decisions/typo.csv", "unknown_target")
    assert str(refused["reason"]).startswith("line 2: wire,YYY,XNYS:NOBODY")
    assert rows_of(lineage.lake, VALIDATED_FACTS, ["entity_id", "known_at"]) == [
        ("issuer:XNYS:AAA", LONG_AGO)
    ]
    assert rows_of(lineage.lake, QUARANTINE) == []


@pytest.mark.parametrize(
    "path",
    [
        "frbny_nowcast/2016-07-08.xls",
        "macro_series/history/vix-daily__vix-daily.csv",
        "sp500_members/history/sp500_ticker_start_end.csv",
        "link_decisions/mine.csv",
    ],
)
def test_a_file_that_is_neither_quotes_nor_alternative_data_brings_the_load_too(
    lineage: Lineage, path: str
) -> None:
    file = lineage.landing / path
    file.parent.mkdir(parents=True)
    file.write_text("ticker,start_date,end_date\nAAA,2015-01-02,\n")
    os.utime(file, (LONG_AGO.timestamp(),) * 2)
    sensed = learn(lineage)
    assert [run.job_name for run in sensed.run_requests] == ["load_alternative"]
    again = look(lineage, json.dumps({**json.loads(sensed.cursor), "asks": []}))
    assert not again.run_requests


def test_members_of_an_index_are_links_in_the_load_that_reads_them(lineage: Lineage) -> None:
    list_shares(lineage.lake, listing("AAA"))
    file = lineage.landing / "sp500_members/history/sp500_ticker_start_end.csv"
    file.parent.mkdir(parents=True)
    file.write_text("ticker,start_date,end_date\nAAA,2015-01-02,\n")
    result = lineage.run(*REFERENCE, *RAW, *MASTER, checks=False)
    assert result.success
    member = lineage.lake.revisions(ENTITY_LINKS, pl.col("relation") == "member_of").collect()
    assert member.select("child", "parent").rows() == [("XNYS:AAA", "index:XNYS:SPX")]


def test_the_schedule_loads_everything_in_order() -> None:
    assert daily_alternative.job_name == "load_alternative"
    names = {
        key.to_user_string()
        for key in defs.resolve_job_def("load_alternative").asset_layer.executable_asset_keys
    }
    assert names >= {*RAW, *MASTER, *STEPS, "raw_macro", "validated_macro", "text_embeddings", *REFERENCE}
    graph = defs.resolve_asset_graph()
    assert dg.AssetKey("index_members") in graph.get(dg.AssetKey("entity_links")).parent_keys
    assert "graph_embeddings" not in names, "it has a cutoff"


def test_without_any_file_every_asset_succeeds(tmp_path: Path) -> None:
    with open_lineage(tmp_path) as lineage:
        result = lineage.run(*RAW, *MASTER, *STEPS)
        assert result.success
        assert metadata_of(result, "validated_facts")["dagster/row_count"] == 0
        assert checks_of(result)["alternative_files/refused_files"].passed
        assert Lake(lineage.path / "lake").version(ALTERNATIVE_FILES) == -1
