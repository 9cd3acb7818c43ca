"""The leaderboard: all strategies side by side, with the trial ledger.

What does not belong here: a strategy's own results (`strategies.py`), the statistics
(`lim_pipelines/evaluate`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.catalogue import CODE_VERSION, OWNERS, image, table_metadata
from lim_pipelines import stale, standings
from lim_pipelines.lake import fingerprint
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("section", "string", "real data or SIMULATED data"),
        dg.TableColumn("strategy", "string", "strategy name"),
        dg.TableColumn("simulated", "bool", "whether its market is"),
        dg.TableColumn("arm", "string", "its method"),
        dg.TableColumn("seeds", "int", "seeds of the method"),
        dg.TableColumn("days", "int", "sessions of the out-of-sample record"),
        dg.TableColumn("net_sharpe", "float", "annualised Sharpe ratio after costs, seeds pooled"),
        dg.TableColumn("gross_sharpe", "float", "before costs"),
        dg.TableColumn("low", "float", "lower end of the 95 % bootstrap interval of net_sharpe"),
        dg.TableColumn("high", "float", "upper end"),
        dg.TableColumn("cagr", "float", "growth a year after costs"),
        dg.TableColumn("max_drawdown", "float", "largest loss from a peak, at most 0"),
        dg.TableColumn("turnover_per_year", "float", "value traded a year, times equity"),
        dg.TableColumn("best_control", "string", "control with the highest net Sharpe ratio"),
        dg.TableColumn("best_control_sharpe", "float", "that ratio"),
        dg.TableColumn("trials", "int", "trials in the ledger, of the same world"),
        dg.TableColumn("compared", "int", "of them those whose daily returns it is compared with"),
        dg.TableColumn(
            "probabilistic", "float", "probability of a Sharpe ratio above 0, were it the only trial"
        ),
        dg.TableColumn("deflated", "float", "probability of being better than the best trial without skill"),
        dg.TableColumn("sessions_needed", "float", "minimum track record length against 0"),
        dg.TableColumn("sessions_needed_deflated", "float", "against the best trial without skill"),
        dg.TableColumn("p_anything", "float", "SPA p-value of no trial earning money"),
        dg.TableColumn("p_money", "float", "step-down p-value of it not earning money"),
        dg.TableColumn("p_control", "float", "step-down p-value of it not being better than best_control"),
        dg.TableColumn("may_be_best", "bool", "in the 95 % model confidence set of all trials"),
        dg.TableColumn("pbo", "float", "probability of backtest overfitting, of choosing among all trials"),
        dg.TableColumn("verdict", "string", "all of it in words"),
    ]
)


def build_leaderboard(specs: Sequence[StrategySpec]) -> dg.AssetsDefinition:
    """Make the leaderboard below all strategies' backtests."""

    @dg.asset(
        name="leaderboard",
        deps=[f"{spec.name}_backtest" for spec in specs],
        group_name="evaluation",
        owners=OWNERS,
        kinds={"polars", "html"},
        code_version=CODE_VERSION,
        description="All strategies side by side, net of costs with gross beside, corrected for the number of"
        " trials; real and simulated markets apart.",
        metadata={"dagster/column_schema": COLUMNS},
    )
    def leaderboard(home: Home) -> dg.MaterializeResult[Any]:
        lake = home.lake()
        before = stale.versions(lake)
        found = standings.publish(lake, home.reports, specs)
        stale.record_leaderboard(lake, specs, before)
        board = found.table
        return dg.MaterializeResult(
            data_version=dg.DataVersion(fingerprint(board)),
            metadata={
                "dagster/row_count": board.height,
                "verdicts": table_metadata(board.select("section", "strategy", "verdict")),
                "page": dg.MetadataValue.path(found.page),
                **(
                    {"sharpe_ratios": image(found.png, "net Sharpe ratios with intervals")}
                    if found.png
                    else {}
                ),
                "leaderboard": table_metadata(board.drop("verdict"), rows=60),
            },
        )

    return leaderboard
