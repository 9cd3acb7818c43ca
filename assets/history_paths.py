"""The linear control on every path through history: how far results on equally good histories lie apart.

What does not belong here: folds and fits (`lim_pipelines/evaluate/paths.py`), results that were traded
(`strategies.py`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.catalogue import CODE_VERSION, OWNERS, table_metadata
from assets.partitions import BARS, whole
from lim_pipelines.lake import fingerprint
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("strategy", "string", "strategy name"),
        dg.TableColumn("cutoff", "date", "newest cutoff with models: only what was known then is used"),
        dg.TableColumn("sessions", "int", "sessions that samples were decided on"),
        dg.TableColumn("rank_ic_lowest", "float", "rank IC of the worst path"),
        dg.TableColumn("rank_ic_median", "float", "of the one in the middle"),
        dg.TableColumn("rank_ic_highest", "float", "of the best one"),
        dg.TableColumn("r2_median", "float", "share of the squared scaled label explained, in the middle"),
    ]
)


def build_history_paths(specs: Sequence[StrategySpec]) -> dg.AssetsDefinition:
    """Make the asset below all strategies' models."""

    @dg.asset(
        name="history_paths",
        deps=[
            *whole(*(f"{spec.name}_model" for spec in specs)),
            *BARS,
        ],
        group_name="evaluation",
        owners=OWNERS,
        kinds={"polars"},
        code_version=CODE_VERSION,
        description="Ridge regression on purged and embargoed folds of each strategy's history, combined into"
        " whole paths out of sample. Fits see what came later: nothing is traded by them.",
        metadata={"dagster/column_schema": COLUMNS},
    )
    def history_paths(home: Home) -> dg.MaterializeResult[Any]:
        from lim_pipelines.evaluate.paths import paths_table

        found = paths_table(home.lake(), home.models, specs)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(fingerprint(found)),
            metadata={"dagster/row_count": found.height, "paths": table_metadata(found, rows=60)},
        )

    return history_paths
