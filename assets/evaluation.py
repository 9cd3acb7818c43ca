"""Two of the three tests as assets: effectiveness of strategies, universality of checkpoints and strategies.

What does not belong here: what they test (`lim_pipelines/effectiveness.py`, `lim_pipelines/universality`),
the leaderboard (`leaderboard.py`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from assets.catalogue import CODE_VERSION, OWNERS, column_schema, table_metadata, written
from assets.partitions import BARS, INPUTS, whole
from lim_pipelines import stale
from lim_pipelines.exchanges import get_exchange
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.lake import scope_of
from lim_pipelines.schemas import EFFECTIVENESS, UNIVERSALITY
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home


class UniversalityConfig(dg.Config):
    """How much the universality test asks; the defaults are seconds for a small home.

    Parameters
    ----------
    checkpoints
        Cutoffs of the last year whose checkpoints and models are asked, evenly spread.
    moments
        Moments of each market and checkpoint at which windows end.
    names
        Most instruments asked about at one moment.
    few
        Windows that a few-shot copy learns from.
    """

    checkpoints: int = Field(2, ge=1)
    moments: int = Field(16, ge=2)
    names: int = Field(4, ge=1)
    few: int = Field(64, ge=1)


def build_effectiveness(specs: Sequence[StrategySpec]) -> dg.AssetsDefinition:
    """Make the asset below all strategies' backtests."""

    @dg.asset(
        name="effectiveness",
        deps=[
            *(f"{spec.name}_backtest" for spec in specs),
            *whole(*(f"{spec.name}_{part}" for spec in specs for part in ("targets", "model"))),
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
        before = stale.versions(lake)
        commit, found = test.publish(lake, home.models, home.reports, specs)
        stale.record_effectiveness(lake, specs, before)
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


def build_universality(specs: Sequence[StrategySpec]) -> dg.AssetsDefinition:
    """Make the asset below all checkpoints and all strategies' models."""
    families = {
        one.name: any(get_exchange(mic).simulated for mic in one.exchanges) for one in FOUNDATIONS.values()
    }

    @dg.asset(
        name="universality",
        deps=[
            *whole(*families, *(f"{spec.name}_model" for spec in specs), "resampled_bars"),
            *BARS,
            *(INPUTS if any(spec.features for spec in specs) else ()),
        ],
        group_name="evaluation",
        owners=OWNERS,
        kinds={"pytorch", "html"},
        code_version=CODE_VERSION,
        description="Does what was learned hold elsewhere: checkpoints asked about all exchanges, classes and"
        " frequencies of their world behind their cutoffs, as they are and after a few shots, beside naive"
        " forecasts; strategies' models asked about what they do not trade.",
        metadata={"dagster/column_schema": column_schema(UNIVERSALITY)},
    )
    def universality(config: UniversalityConfig, home: Home) -> dg.MaterializeResult[Any]:
        # torch is imported here.
        from lim_pipelines.universality.families import Asked
        from lim_pipelines.universality.publish import PAGE, publish

        lake, asked = home.lake(), Asked(**config.model_dump())
        before, models = stale.versions(lake), stale.asked(home.models, list(FOUNDATIONS.values()), specs)
        commit, rows = publish(lake, home.models, home.reports, families, specs, asked)
        stale.record_universality(lake, specs, before, models)
        return written(
            lake,
            UNIVERSALITY,
            commit,
            scope_of({"subject": sorted({*families, *(spec.name for spec in specs)})}),
            {
                "skill": table_metadata(rows.drop("simulated", "cutoff"), rows=200),
                "page": dg.MetadataValue.path(home.reports / PAGE),
            },
        )

    return universality
