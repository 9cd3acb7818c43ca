"""What is stale: results that would come out of something else today, as a table and a check.

What does not belong here: finding them (`lim_pipelines/stale`), having them made again (`redo.py`; the newest
ones `retraining.py` and the results sensor).
"""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from assets.catalogue import table_asset, table_metadata, written
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import STALE_RESULTS
from lim_pipelines.stale import current, listed, stale
from lim_pipelines.stale.recorded import UNIVERSALITY
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

CHECK = "nothing_is_stale"
GROUP = "automation"
_MOST_NAMED = 3


def build_stale_results(
    specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> dg.AssetsDefinition:
    """Make the asset that lists stale results of all strategies and families."""

    # No dependencies: it is about what was made, whenever that was, and waits for nothing.
    @table_asset(
        STALE_RESULTS,
        GROUP,
        name="stale_results",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset="stale_results",
                description="Whether every checkpoint, model, target and report would come out as it is from"
                " what the lake holds today.",
            )
        ],
    )
    # Of an asset with checks dagster knows only the bare name of its result.
    def stale_results(home: Home) -> dg.MaterializeResult:  # type: ignore[type-arg]  # beside checks Dagster takes the bare class only
        lake = home.lake()
        found = stale(lake, home.models, specs, configs)
        # What is fresh again is listed no longer.
        before = lake.read(STALE_RESULTS, as_of=LATEST).select("result").collect()
        scope = pl.concat([before, found.select("result")]).unique()
        commit = lake.write(STALE_RESULTS, found, scope)
        counts = {
            "stale": results_of(found).height,
            "made_again_by_policy": results_of(current(found)).height,
            "listed": results_of(listed(found)).height,
        }
        shown = found.select("result", "partition", "current", "why")
        done = written(
            lake, STALE_RESULTS, commit, scope, {**counts, "causes": table_metadata(shown, rows=60)}
        )
        return done._replace(check_results=[_judge(found)])

    return stale_results


def results_of(found: pl.DataFrame) -> pl.DataFrame:
    """Stale results, one row each, in the order of `found`."""
    return found.select("result", "partition").unique(maintain_order=True)


def _by_people(found: pl.DataFrame) -> str:
    """Say which of them only people make again."""
    tests = found.filter(pl.col("result").str.ends_with("_robustness") | (pl.col("result") == UNIVERSALITY))
    names = tests["result"].unique(maintain_order=True)
    return f"; {', '.join(names)}: by hand, how much they ask is up to you" if len(names) else ""


def _judge(found: pl.DataFrame) -> dg.AssetCheckResult:
    """Say how much is stale, why, and what to do."""
    if found.is_empty():
        said = "every result that was recorded would come out as it is"
    else:
        many = results_of(found).height
        by_policy = results_of(found.filter("current")).height
        own = found.filter(pl.col("cause") != "parent")
        named = [
            f"{' '.join(filter(None, (row['result'], row['partition'])))}: {row['why']}"
            for row in own.head(_MOST_NAMED).iter_rows(named=True)
        ]
        more = f"; and {own.height - _MOST_NAMED} causes more" if own.height > _MOST_NAMED else ""
        said = (
            f"{many} results are stale, {by_policy} of them are made again by policy where sensors are on:"
            f" {'; '.join(named)}{more}. To have all of them made again, materialise redo with `result: all`"
            f" and switch redo_sensor on{_by_people(found)}"
        )
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=found.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
    )
