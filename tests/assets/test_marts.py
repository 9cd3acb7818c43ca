"""The marts through Dagster and dbt: made again only where the lake changed; where columns come from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest
from inprocess import Lineage, checks_of, metadata_of, open_lineage
from lake_rows import bar, frame
from polars.testing import assert_frame_equal

from lim_pipelines import marts
from lim_pipelines.schemas import (
    ENTITIES,
    ENTITY_LINKS,
    INDEX_MEMBERS,
    LISTINGS,
    VALIDATED_BARS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    Table,
)

WEEK = [date(2018, 10, day) for day in (1, 2, 3, 4, 5)]
MONDAY = date(2018, 10, 8)
LONG_AGO = datetime(2018, 1, 1, tzinfo=UTC)
ORIGIN = {"source": "test", "file": "a.csv", "line": 1}


def put(lineage: Lineage, table: Table, *rows: dict[str, Any]) -> None:
    """Add rows to a table of the lake."""
    new = table.conform(
        pl.DataFrame([{**ORIGIN, "known_at": LONG_AGO, **row} for row in rows], infer_schema_length=None)
    )
    scope = new.select(table.partition_key).unique()
    lineage.lake.update(table, scope, lambda there: pl.concat([there, new]))


def fact(value: float, known: date) -> dict[str, Any]:
    """A figure of issuer A, released at noon of a day."""
    noon = datetime(known.year, known.month, known.day, 12, tzinfo=UTC)
    about = {
        "entity_id": "issuer:XNYS:A",
        "field": "assets",
        "period": "instant",
        "unit": "USD",
        "form": "10-Q",
    }
    return {**about, "year": 2018, "ts": LONG_AGO, "value": value, "known_at": noon}


def quotes(day: date, close: float) -> list[dict[str, object]]:
    """A share and two contracts of a session."""
    names = ("A", "CL.201812", "CL.201901")
    return [
        bar(day, "XNYS", close + i, instrument_id=f"XNYS:{name}", volume=1.0) for i, name in enumerate(names)
    ]


@pytest.fixture
def lineage(tmp_path: Path) -> Iterator[Lineage]:
    with open_lineage(tmp_path) as opened:
        yield opened


def filled(lineage: Lineage) -> None:
    """A week of everything that the marts read."""
    lineage.lake.write(
        VALIDATED_BARS,
        frame(*(row for i, day in enumerate(WEEK) for row in quotes(day, 10.0 + i))),
        pl.DataFrame({"exchange": "XNYS", "date": WEEK}),
    )
    contracts = [
        {
            "symbol": name,
            "instrument_id": f"XNYS:{name}",
            "root": "XNYS:CL",
            "exchange": "XNYS",
            "asset_class": "future",
        }
        for name in ("CL.201812", "CL.201901")
    ]
    put(lineage, LISTINGS, *({**row, "name": row["symbol"], "currency": "USD"} for row in contracts))
    issuer, industry = "issuer:XNYS:A", "industry:s/tech"
    put(lineage, ENTITIES, {"entity_id": issuer, "kind": "issuer", "name": "A"})
    put(lineage, ENTITIES, {"entity_id": industry, "kind": "industry", "name": "tech"})
    sure = {"score": 1.0, "method": "vendor"}
    put(lineage, ENTITY_LINKS, {"relation": "issued_by", "child": "XNYS:A", "parent": issuer, **sure})
    put(lineage, ENTITY_LINKS, {"relation": "in_industry", "child": issuer, "parent": industry, **sure})
    put(lineage, VALIDATED_FACTS, fact(1.0, date(2018, 9, 3)))
    put(lineage, VALIDATED_MACRO, {"series_id": "vix", "ts": LONG_AGO, "value": 12.0, "unit": "index"})
    put(
        lineage,
        INDEX_MEMBERS,
        {"index_id": "XNYS:SPX", "symbol": "A", "first": date(2018, 1, 2), "last": None},
    )


KEYS = {
    "macro_as_known": "unit",
    "fundamentals_as_of": "form",
    "sector_aggregates": "volume",
    "futures_curve": "volume",
    "calendar_spreads": "spread",
    "index_constituents": "source",
}
"""A column of each mart by session that the test writes into."""


def content(path: Path, mart: str) -> pl.DataFrame:
    with duckdb.connect(str(path)) as connection:
        return pl.DataFrame(connection.sql(f"SELECT * FROM marts.{mart} ORDER BY ALL").to_arrow_table())


@pytest.mark.slow
def test_only_sessions_whose_inputs_changed_are_made_again_and_nothing_else_is_touched(
    lineage: Lineage,
) -> None:
    from assets.marts import NAMES

    path = lineage.path / "warehouse.duckdb"
    filled(lineage)
    # What a build that was killed leaves beside the file.
    left = lineage.path / "warehouse.duckdb.tmp"
    left.mkdir()
    (left / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x")
    made = lineage.run(*NAMES)
    assert all(check.passed for check in checks_of(made).values())
    assert metadata_of(made, "fundamentals_as_of")["full_build"]
    assert not left.exists()
    assert {name: content(path, name).height for name in KEYS} == {
        "macro_as_known": 5,
        "fundamentals_as_of": 5,
        "sector_aggregates": 5,
        "futures_curve": 10,
        "calendar_spreads": 5,
        "index_constituents": 5,
    }

    # Marks that only a row which is not written again can bear.
    with duckdb.connect(str(path)) as connection:
        for mart, column in KEYS.items():
            connection.execute(f"UPDATE marts.{mart} SET {column} = '-1'")
    # Tuesday's bars as they should have been, a figure released on Thursday, and a new session.
    change = pl.DataFrame({"exchange": "XNYS", "date": [WEEK[1], MONDAY]})
    lineage.lake.write(VALIDATED_BARS, frame(*quotes(WEEK[1], 20.0), *quotes(MONDAY, 15.0)), change)
    put(lineage, VALIDATED_FACTS, fact(2.0, WEEK[3]))
    again = lineage.run(*NAMES)
    assert all(check.passed for check in checks_of(again).values())
    assert not metadata_of(again, "fundamentals_as_of")["full_build"]
    incremental = {mart: content(path, mart) for mart in NAMES}

    touched = {
        mart: incremental[mart]
        .filter(pl.col(column).cast(pl.String).str.starts_with("-1").not_())["date"]
        .unique()
        .sort()
        .to_list()
        for mart, column in KEYS.items()
    }
    by_bars = [WEEK[1], WEEK[2], MONDAY]
    assert touched["futures_curve"] == touched["calendar_spreads"] == by_bars
    # They read no bars, only which sessions there are.
    assert touched["macro_as_known"] == touched["index_constituents"] == [MONDAY]
    assert touched["fundamentals_as_of"] == touched["sector_aggregates"] == [*WEEK[1:], MONDAY]

    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM lake.built")
    full = lineage.run(*NAMES)
    assert metadata_of(full, "fundamentals_as_of")["full_build"]
    for mart in NAMES:
        whole = content(path, mart)
        if mart in KEYS:
            assert whole["date"].unique().sort().to_list() == [*WEEK, MONDAY]
            again_made = pl.col("date").is_in(touched[mart])
            assert_frame_equal(
                incremental[mart].filter(again_made), whole.filter(again_made), check_row_order=False
            )
        else:
            assert_frame_equal(incremental[mart], whole, check_row_order=False)

    third = lineage.run(*NAMES)
    assert metadata_of(third, "fundamentals_as_of")["sessions_built"] == 0
    assert content(path, "sector_aggregates").height == 6


def origins(mart: str) -> dict[str, set[tuple[str, str]]]:
    """Asset and column behind each column of a mart."""
    from lim_pipelines.definitions import defs

    metadata = defs.resolve_asset_graph().get(dg.AssetKey(mart)).metadata
    lineage = metadata["dagster/column_lineage"].deps_by_column
    return {
        column: {(dep.asset_key.to_user_string(), dep.column_name) for dep in deps}
        for column, deps in lineage.items()
    }


def test_columns_lead_to_the_columns_that_they_are_computed_from() -> None:
    fundamentals = origins("fundamentals_as_of")
    assert fundamentals["value"] == {("validated_facts", "value")}
    assert fundamentals["period_end"] == {("validated_facts", "ts")}
    assert fundamentals["instrument_id"] == {("entity_links", "child")}
    assert fundamentals["days_known"] == {("validated_facts", "known_at")}
    sectors = origins("sector_aggregates")
    assert {column for _, column in sectors["median_return"]} == {"close", "ex_factor"}
    assert ("fundamentals_as_of", "value") in sectors["assets_usd"]
    assert origins("calendar_spreads")["spread"] == {("futures_curve", "price")}
    assert ("listings", "expiry") not in origins("futures_curve")["years_to_next"]
    assert origins("data_coverage")["last_known_at"] == {("validated_bars", "known_at")}


def test_lineage_names_only_columns_that_the_assets_have() -> None:
    from assets.marts import NAMES
    from lim_pipelines.definitions import defs

    graph = defs.resolve_asset_graph()
    for mart in NAMES:
        for column, deps in origins(mart).items():
            for asset, name in deps:
                if (
                    graph.has(dg.AssetKey(asset))
                    and "dagster/column_schema" in graph.get(dg.AssetKey(asset)).metadata
                ):
                    schema = graph.get(dg.AssetKey(asset)).metadata["dagster/column_schema"]
                    assert name in {c.name for c in schema.columns}, (mart, column, asset, name)
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(mart)).parent_keys}
        assert {asset for deps in origins(mart).values() for asset, _ in deps} <= parents


def test_the_data_of_a_day_is_made_again_with_the_marts_that_read_it() -> None:
    from assets.marts import MANIFEST

    read = {
        key: set(node["depends_on"]["nodes"])
        for key, node in MANIFEST["nodes"].items()
        if key.startswith("model.")
    }

    tracked = {f"source.lim_marts.lake.{table.name}" for table in marts.READ}
    made = {f"source.lim_marts.lake.{name}" for name in ("sessions", "calendar", "changed_sessions")}
    for name, nodes in read.items():
        assert {node for node in nodes if node.startswith("source.")} <= tracked | made, name
