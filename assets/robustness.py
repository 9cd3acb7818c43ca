"""A strategy's robustness: its record at other costs, in other markets, from worse data, with other settings.

What does not belong here: the scenarios (`lim_pipelines/stress`), the strategy's other assets
(`strategies.py`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from assets.catalogue import CODE_VERSION, OWNERS, column_schema, image, table_metadata, written
from assets.partitions import whole
from lim_pipelines import stale
from lim_pipelines.lake import scope_of
from lim_pipelines.schemas import ROBUSTNESS
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home


class Extent(dg.Config):
    """How much is decided again.

    Parameters
    ----------
    cutoffs, seeds
        Newest cutoffs and first seeds of the method. Each cutoff has about 20 sessions, and of fewer than 60
        nothing is said.
    """

    cutoffs: int = Field(default=1, ge=1)
    seeds: int = Field(default=1, ge=1)


def build_robustness(spec: StrategySpec, read: Sequence[dg.AssetDep]) -> dg.AssetsDefinition:
    """Make the asset below a strategy's backtest; `read` is what its decisions read of the lake."""

    @dg.asset(
        name=f"{spec.name}_robustness",
        deps=[
            *whole(f"{spec.name}_model", f"{spec.name}_targets"),
            f"{spec.name}_backtest",
            *read,
        ],
        group_name=spec.name,
        owners=OWNERS,
        kinds={"polars", "html"},
        code_version=f"{CODE_VERSION}-{spec.digest()[:12]}",
        description=f"What becomes of {spec.name} in crises and regimes, at other costs and fills, from worse"
        " data, with other portfolio settings, in resampled histories; each beside the plain run. Nothing is"
        " chosen by it: no trials.",
        metadata={"dagster/column_schema": column_schema(ROBUSTNESS)},
    )
    def robustness(config: Extent, home: Home) -> dg.MaterializeResult[Any]:
        # torch and the optimiser decide again: loaded where that is done.
        from lim_pipelines.stress.robustness import publish

        lake = home.lake()
        before = stale.versions(lake)
        found = publish(lake, home.models, home.reports, spec, config.cutoffs, config.seeds)
        stale.record_robustness(lake, spec, before)
        shown = ("family", "scenario", "sessions", "net_sharpe", "plain_sharpe", "difference", "verdict")
        return written(
            lake,
            ROBUSTNESS,
            found.commit,
            scope_of({"strategy": [spec.name]}),
            {
                "verdict": found.verdict,
                "page": dg.MetadataValue.path(found.page),
                "differences": image(found.png, "change of the net Sharpe ratio by scenario"),
                "scenarios": table_metadata(found.commit.content.select(shown), rows=60),
            },
        )

    return robustness
