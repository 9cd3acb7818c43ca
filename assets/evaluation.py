"""Two of the three tests as assets: effectiveness of strategies, universality of checkpoints and strategies.

What does not belong here: what they test (`lim_pipelines/effectiveness.py`, `lim_pipelines/universality`),
the leaderboard (`leaderboard.py`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import CODE_VERSION, OWNERS, column_schema, table_metadata, written
from assets.partitions import BARS
from lim_pipelines.lake import scope_of
from lim_pipelines.schemas import EFFECTIVENESS
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home


def build_effectiveness(specs: Sequence[StrategySpec]) -> dg.AssetsDefinition:
    """Make the asset below all strategies' backtests."""

    @dg.asset(
        name="effectiveness",
        deps=[
            *(f"{spec.name}_backtest" for spec in specs),
            *(
                dg.AssetDep(f"{spec.name}_{part}", partition_mapping=dg.AllPartitionMapping())
                for spec in specs
                for part in ("targets", "model")
            ),
            *BARS,
        ],
        group_name="evaluation",
        owners=OWNERS,
        kinds={"polars", "html"},
        code_version=CODE_VERSION,
        description="Does it work, year after year, net of costs, beyond luck and the simple rule: each"
        " strategy and its controls by year, what validation promised beside what came, a verdict in words.",
        metadata={"dagster/column_schema": column_schema(EFFECTIVENESS)},
    )
    def effectiveness(home: Home) -> dg.MaterializeResult[Any]:
        # Reports are rendered and bars are read: loaded where that is done.
        from lim_pipelines import effectiveness as test

        lake = home.lake()
        commit, found = test.publish(lake, home.models, home.reports, specs)
        verdicts = pl.DataFrame(
            [(one.judged.strategy, one.passed, one.verdict) for one in found],
            schema={"strategy": pl.String, "passed": pl.Boolean, "verdict": pl.String},
            orient="row",
        )
        return written(
            lake,
            EFFECTIVENESS,
            commit,
            scope_of({"strategy": [spec.name for spec in specs]}),
            {
                "verdicts": table_metadata(verdicts, rows=60),
                "page": dg.MetadataValue.path(home.reports / test.PAGE),
            },
        )

    return effectiveness
