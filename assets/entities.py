"""The entity master: entities, dated links, and the list of what people must decide.

What does not belong here: how it is made (`lim_pipelines/entities/`, `lim_pipelines/alternative/`), raw
claims and aligned rows (`alternative.py`). No partitions: the tables are small and follow from what the lake
holds.

It runs again when claims, members or rows about unknown names have come. Which instruments there are is told
by the listings, which every load of quotes may extend: those loads are not waited for.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from assets.alternative import GROUP
from assets.catalogue import table_attributes, table_metadata
from assets.retries import INPUT_OUTPUT
from lim_pipelines.alternative.entity_master import build_entities
from lim_pipelines.lake import Commit, Lake
from lim_pipelines.schemas import (
    ENTITIES,
    ENTITY_LINKS,
    INDEX_MEMBERS,
    LINK_REVIEWS,
    RAW_CLAIMS,
    RAW_EVENTS,
    RAW_FACTS,
    RAW_RELATIONS,
    RAW_TEXTS,
    Table,
)
from resources.home import Home

READ = (RAW_CLAIMS, RAW_FACTS, RAW_EVENTS, RAW_TEXTS, RAW_RELATIONS, INDEX_MEMBERS)
HOW_TO_DECIDE = (
    "Write a file `link_decisions/<any name>.csv` in the landing folder, with the header"
    " `source,name,entity_id,decision,decided_by`, one line a decision (accepted or rejected), source, name"
    " and candidate as in this table. With `landing_sensor` on it is loaded by itself; else run the job"
    " `load_alternative`. A list with one wrong line is refused whole: see `refused_decisions` and the"
    " check. It counts from its arrival on; below `link_decisions/history/` for every day."
)


def _result(lake: Lake, table: Table, commit: Commit, metadata: dict[str, Any]) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        asset_key=table.name,
        data_version=dg.DataVersion(commit.fingerprint),
        metadata={
            "dagster/row_count": commit.rows,
            "dagster/uri": lake.uri(table),
            "lake_version": commit.version,
            "partitions_changed": commit.changed.height,
            **metadata,
        },
    )


@dg.multi_asset(
    name="entity_master",
    retry_policy=INPUT_OUTPUT,
    specs=[
        dg.AssetSpec(table.name, deps=[read.name for read in READ], **table_attributes(table, GROUP))
        for table in (ENTITIES, ENTITY_LINKS, LINK_REVIEWS)
    ],
)
def entity_master(context: dg.AssetExecutionContext, home: Home) -> Iterator[dg.MaterializeResult[Any]]:
    """Say who is who, who belongs to what, and what only a person can decide."""
    lake = home.lake()
    built = build_entities(lake, home.landing)
    for error in built.refused:
        context.log.error("refused, what was decided before stays: %s", error)
    entities, links, reviews = built.entities.content, built.links.content, built.reviews.content
    kinds = entities.group_by("kind").agg(entities=pl.col("entity_id").n_unique()).sort("kind")
    yield _result(lake, ENTITIES, built.entities, {"by_kind": table_metadata(kinds)})
    counts = links.group_by("relation", "method", "source").agg(
        links=pl.len(), least_score=pl.col("score").min(), first_known=pl.col("known_at").min()
    )
    by_relation = table_metadata(counts.sort("relation", "method", "source"), rows=60)
    yield _result(lake, ENTITY_LINKS, built.links, {"by_relation": by_relation})
    pending = reviews.filter(pl.col("state") == "pending").sort("rows", "score", descending=True)
    shown = pending.select("source", "name", "candidate", "score", "rows", "reason")
    refused = pl.DataFrame(
        {"refused": [str(error) for error in built.refused]}, schema={"refused": pl.String}
    )
    metadata = {
        "pending": pending.select("source", "name").n_unique(),
        "rows_waiting": int(pending.unique(["source", "name"])["rows"].sum()),
        "decided": reviews.height - pending.height,
        "how_to_decide": dg.MetadataValue.md(HOW_TO_DECIDE),
        "most_wanted": table_metadata(shown, rows=40),
        "refused_decisions": table_metadata(refused),
    }
    yield _result(lake, LINK_REVIEWS, built.reviews, metadata)


ASSETS = [entity_master]
