"""The window store: the series that checkpoints are trained on, as of each cutoff.

What does not belong here: how it is brought up to date (`lim_pipelines/foundation/store`).
"""

import hashlib
from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import OWNERS, image, table_metadata
from assets.partitions import BARS, RANGES, cutoff_dates, cutoffs
from lim_pipelines import drawing
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.foundation.mix_shown import data_mix, mix_figure
from lim_pipelines.foundation.store import Index, Shown, cells_of, update
from lim_pipelines.foundation.store.updating import LAYOUT
from resources.home import Home

_COLUMNS = {
    "cutoff": "what was known at this midnight UTC",
    "exchange": "exchange (MIC)",
    "freq": "length of the bars",
    "series": "series there are",
    "rows": "bars there are",
    "appended": "series that grew, or are new",
    "rewritten": "series of which a stored bar was corrected, came late or was withdrawn",
    "written": "bytes written, copies included",
    "seconds": "time it took",
}


@dg.asset(
    partitions_def=cutoffs,
    backfill_policy=RANGES,
    deps=BARS,
    group_name="foundation",
    owners=OWNERS,
    kinds={"polars"},
    code_version=LAYOUT,
    pool="training",
    metadata={
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(name, description=text) for name, text in _COLUMNS.items()]
        )
    },
)
def window_store(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Series of all families as of the cutoff: new sessions are appended, corrections rewrite their own."""
    lake, cells = home.lake(), set[tuple[str, str]]().union(*map(cells_of, FOUNDATIONS.values()))
    rows, digests = [], []
    for cutoff in cutoff_dates(context):
        index, done = update(lake, home.windows, cells, cutoff)
        rows += [{"cutoff": cutoff, **vars(one)} for one in done]
        digests += [f"{cutoff} {name} {index.digest(config)}" for name, config in FOUNDATIONS.items()]
    table = pl.DataFrame(rows, infer_schema_length=None)
    version = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "dagster/row_count": int(index.series["length"].sum()),
            "dagster/uri": str(home.windows),
            "series": index.series.height,
            "appended": int(table["appended"].sum()),
            "rewritten": int(table["rewritten"].sum()),
            "written_bytes": int(table["written"].sum()),
            "seconds": float(table["seconds"].sum()),
            "done": table_metadata(table, rows=60),
            **_mixes(index),
        },
    )


def _mixes(index: Index) -> dict[str, dg.MetadataValue]:
    """Show what there is of each family at a cutoff, by exchange, class, frequency, and how it is drawn."""
    found: dict[str, dg.MetadataValue] = {}
    for name, config in FOUNDATIONS.items():
        there = Shown(config, index)
        mix = data_mix(there.windows(), config) if there.rows else []
        if mix:
            found[f"{name}_mix"] = table_metadata(pl.DataFrame(mix), rows=60)
            found[f"{name}_plot"] = image(drawing.png(mix_figure(mix)), f"data mix of {name}, {index.cutoff}")
    return found
