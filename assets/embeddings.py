"""Vectors of texts, of entities in a graph, and of stretches of market; kept in LanceDB, encoded once.

What does not belong here: the encoders, the store and searches (`lim_pipelines/modalities`).
"""

import sys
from collections.abc import Callable
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
from tqdm import tqdm

from assets.catalogue import OWNERS, image, table_metadata
from assets.partitions import BARS, RANGES, cutoff_dates, cutoffs, whole
from lim_pipelines.foundation.plot import loss_svg
from lim_pipelines.lake import fingerprint, midnight
from lim_pipelines.modalities import TEXT_ENCODERS, MiniLM, NodeEncoder
from lim_pipelines.modalities.base import Encoder
from lim_pipelines.modalities.embed import Embedded, embed_nodes, embed_texts, embed_windows, known_edges
from lim_pipelines.modalities.figures import look_alike_figure
from lim_pipelines.modalities.search import look_alikes, texts_like
from lim_pipelines.modalities.store import CODE_VERSION, NODES, TEXTS, WINDOWS, Kind, Vectors
from lim_pipelines.modalities.windows import BAR_WINDOWS
from lim_pipelines.schemas import (
    ENTITY_LINKS,
    ONE_PRICE,
    VALIDATED_BARS,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
)
from resources.home import Home

GROUP = "embeddings"
DAILY = (pl.col("freq") == "1d") & pl.col("price_type").is_in(ONE_PRICE)


COLUMNS = {
    "key": "which item",
    "content": "digest of what was encoded: equal content is encoded once",
    "source": "who told it",
    "known_at": "first moment the item could be known",
    "text": "the text",
    "node": "entity id",
    "cutoff": "nothing known after this midnight UTC was used",
    "auc": "how well links that training did not see are told from others; .5 is chance",
    "instrument_id": "whose bars",
    "freq": "length of a bar",
    "start": "end of the first bar",
    "end": "end of the last bar",
    "encoder": "name of the encoder",
    "digest": "what made the vector: encoder, package, settings",
    "code_version": "version of this code",
    "vector": "the embedding",
}
"""What the columns of the vector store say."""


def _columns(kind: Kind) -> dg.TableSchema:
    made = {"encoder": pl.String, "digest": pl.String, "code_version": pl.String, "vector": "Array(Float32)"}
    return dg.TableSchema(
        [
            dg.TableColumn(name, str(dtype), description=COLUMNS[name])
            for name, dtype in {**kind.rows, **made}.items()
        ]
    )


def _asset(kind: Kind, **given: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorate a function as the asset that fills the vectors of a kind."""
    decorator: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        code_version=CODE_VERSION,
        metadata={"dagster/column_schema": _columns(kind)},
        **given,
    )
    return decorator


def _stored(vectors: Vectors, kind: Kind, encoder: Encoder[Any], done: Embedded) -> dict[str, Any]:
    return {
        "new": done.new,
        "cached": done.cached,
        "per_second": round(done.rate, 1),
        "dagster/uri": str(vectors.uri(kind, encoder)),
        "encoder": f"{encoder.name} {encoder.digest}",
    }


def _version(stored: pl.DataFrame, *encoders: Encoder[Any]) -> dg.DataVersion:
    """Return a version of what is stored, items, their contents and times; and of what encodes them."""
    return dg.DataVersion(":".join([fingerprint(stored.sort("key"))[:32], *(one.digest for one in encoders)]))


@_asset(TEXTS, deps=["validated_texts"], kinds={"pytorch", "lancedb"}, pool="training")
def text_embeddings(home: Home) -> dg.MaterializeResult[Any]:
    """Embeddings and sentiment of all texts, by content: a text that is there is not encoded again."""
    lake, vectors = home.lake(), Vectors(home.vectors)
    rows = lake.revisions(VALIDATED_TEXTS).select("text_id", "text", "source", "known_at").collect()
    if not rows.height:
        return dg.MaterializeResult(data_version=dg.DataVersion("none"), metadata={"dagster/row_count": 0})
    metadata: dict[str, Any] = {"dagster/row_count": rows["text_id"].n_unique()}
    for encoder in TEXT_ENCODERS:
        with tqdm(total=metadata["dagster/row_count"], desc=encoder.name, file=sys.stderr) as progress:
            done = embed_texts(vectors, encoder, rows, progress.update)
        metadata |= {
            f"{encoder.name}_{name}" if "/" not in name else name: value
            for name, value in _stored(vectors, TEXTS, encoder, done).items()
        }
    newest = rows.sort("known_at", "text_id")[-1]
    found = texts_like(vectors, MiniLM(), newest["text_id"][0], as_of=newest["known_at"][0])
    metadata["nearest_to"] = newest["text"][0]
    metadata["nearest"] = table_metadata(found.select("similarity", "text", "source", "known_at"))
    version = _version(vectors.stored(TEXTS, MiniLM()), *TEXT_ENCODERS)
    return dg.MaterializeResult(data_version=version, metadata=metadata)


@_asset(
    NODES,
    deps=whole("validated_relations", "entity_links"),
    partitions_def=cutoffs,
    backfill_policy=RANGES,
    kinds={"pytorch", "lancedb"},
    pool="training",
)
def graph_embeddings(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Entities as vectors, learnt from the relations and industries known at the cutoff."""
    lake, vectors = home.lake(), Vectors(home.vectors)
    metadata: dict[str, Any] = {"dagster/uri": str(vectors.uri(NODES, NodeEncoder()))}
    asked, learnt_cutoffs = cutoff_dates(context), []
    for cutoff in tqdm(asked, desc="graph: cutoffs", file=sys.stderr):
        relations = lake.read(VALIDATED_RELATIONS, as_of=midnight(cutoff)).collect()
        links = lake.read(ENTITY_LINKS, as_of=midnight(cutoff)).collect()
        edges = known_edges(relations, links, cutoff)
        learnt = embed_nodes(vectors, edges, cutoff)
        metadata |= {"newest_cutoff": str(cutoff), "edges": edges.height}
        if learnt is not None:
            learnt_cutoffs.append(str(cutoff))
            metadata |= {"nodes": len(learnt.encoder.nodes), "held_out_edges": learnt.held_out}
            metadata |= {"auc": learnt.auc} if learnt.held_out else {}
            if learnt.losses:
                curve = loss_svg(f"loss by epoch, {cutoff}", list(enumerate(learnt.losses, 1)))
                metadata["loss"] = image(curve.encode(), "training loss", "svg+xml")
    stored = vectors.stored(NODES, NodeEncoder())
    stored = stored.filter(pl.col("known_at").is_in([midnight(cutoff) for cutoff in asked]))
    metadata |= {"learnt": ", ".join(learnt_cutoffs) or "none: all were there"}
    return dg.MaterializeResult(data_version=_version(stored, NodeEncoder()), metadata=metadata)


@_asset(WINDOWS, deps=BARS, kinds={"numpy", "lancedb"})
def market_windows(home: Home) -> dg.MaterializeResult[Any]:
    """Stretches of daily bars as vectors, as they were known when their last bar was: to find look-alikes."""
    lake, vectors = home.lake(), Vectors(home.vectors)
    done = Embedded(0, 0, 0.0)
    exchanges = lake.revisions(VALIDATED_BARS, DAILY).select("exchange").unique().collect()["exchange"].sort()
    for exchange in tqdm(exchanges, desc="windows: exchanges", file=sys.stderr):
        bars = lake.revisions(VALIDATED_BARS, DAILY & (pl.col("exchange") == exchange)).collect()
        one = embed_windows(vectors, bars)
        done = Embedded(done.new + one.new, done.cached + one.cached, done.seconds + one.seconds)
    metadata = {"dagster/row_count": done.new + done.cached, **_stored(vectors, WINDOWS, BAR_WINDOWS, done)}
    newest = vectors.stored(WINDOWS, BAR_WINDOWS).sort("known_at", "key").tail(1)
    if newest.height:
        name, _, end = newest["key"][0].split("|")
        found = look_alikes(vectors, name, date.fromisoformat(end[:10]), as_of=newest["known_at"][0])
        metadata["look_alikes"] = table_metadata(found.drop("key"))
        metadata["picture"] = image(look_alike_figure(vectors, found), "look-alike windows")
    version = _version(vectors.stored(WINDOWS, BAR_WINDOWS), BAR_WINDOWS)
    return dg.MaterializeResult(data_version=version, metadata=metadata)


ASSETS = [text_embeddings, graph_embeddings, market_windows]
