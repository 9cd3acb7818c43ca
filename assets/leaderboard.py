"""The leaderboard: all strategies side by side, with the trial ledger.

What does not belong here: a strategy's own results (`strategies.py`), the statistics
(`lim_pipelines/evaluate`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.catalogue import CODE_VERSION, OWNERS, column_schema, table_metadata
from lim_pipelines import walkforward
from lim_pipelines.lake import fingerprint
from lim_pipelines.schemas import SCORES
from resources.home import Home


def build_leaderboard(backtests: Sequence[str]) -> dg.AssetsDefinition:
    """Make the leaderboard below some backtest assets.

    Parameters
    ----------
    backtests
        Names of the `<strategy>_backtest` assets.
    """

    @dg.asset(
        name="leaderboard",
        deps=list(backtests),
        group_name="evaluation",
        owners=OWNERS,
        kinds={"polars", "html"},
        code_version=CODE_VERSION,
        description="All strategies side by side, net of costs with gross beside, corrected for the number of"
        " trials; real and simulated markets apart.",
        metadata={"dagster/column_schema": column_schema(SCORES)},
    )
    def leaderboard(home: Home) -> dg.MaterializeResult[Any]:
        board = walkforward.leaderboard(home.lake(), home.reports)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(fingerprint(board.table)),
            metadata={
                "dagster/row_count": board.table.height,
                "report": dg.MetadataValue.path(board.report),
                "leaderboard": table_metadata(board.table, rows=60),
            },
        )

    return leaderboard
