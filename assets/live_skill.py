"""Whether a strategy's live forecasts are worse than they were: a check below its backtest.

What does not belong here: the test (`lim_pipelines/retraining/live_skill.py`), what follows
(`retraining_sensor`).
"""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from assets.verdicts import newest_verdict
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.retraining.live_skill import LEVEL, POWER, LiveSkill, measure
from lim_pipelines.schemas import TARGETS, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

CHECK = "live_skill"


def build_live_skill(spec: StrategySpec) -> dg.AssetChecksDefinition:
    """Make the check of one strategy."""

    @dg.asset_check(
        asset=f"{spec.name}_backtest",
        name=CHECK,
        description="Whether the newest forecasts rank what came worse than earlier ones did: one-sided,"
        f" {LEVEL:.0%} a look; the decay that it finds with {POWER:.0%} is said. The retraining sensor"
        " listens, and fits the strategy's heads again.",
    )
    def check(home: Home) -> dg.AssetCheckResult:
        found, models = _measured(home.lake(), spec)
        return dg.AssetCheckResult(
            check_name=CHECK,
            passed=not found.decayed,
            severity=dg.AssetCheckSeverity.WARN,
            description=found.words,
            metadata={"models": models, "decisions": found.newest + found.earlier},
        )

    return check


def decayed(instance: dg.DagsterInstance, specs: Sequence[StrategySpec]) -> dict[str, tuple[str, str]]:
    """Strategies whose newest check failed: the digest of the models that it judged, and its words."""
    found = {}
    for spec in specs:
        verdict = newest_verdict(instance, dg.AssetCheckKey(dg.AssetKey(f"{spec.name}_backtest"), CHECK))
        if verdict is not None and not verdict.passed:
            found[spec.name] = str(verdict.metadata["models"].value), verdict.description or ""
    return found


def _measured(lake: Lake, spec: StrategySpec) -> tuple[LiveSkill, str]:
    """Measure, and name the models that decided last."""
    # Arithmetic on whole records: loaded where it is done.
    from lim_pipelines.backtest.metrics import realised
    from lim_pipelines.walkforward import universe

    own = (pl.col("strategy") == spec.name) & (pl.col("arm") == spec.method)
    targets = lake.read(TARGETS, as_of=LATEST, where=own).sort(TARGETS.key).collect()
    bars = lake.read(VALIDATED_BARS, as_of=LATEST, where=universe(spec)).sort(VALIDATED_BARS.key).collect()
    models = "" if targets.is_empty() else str(targets.sort("date")["model_digest"][-1])
    return measure(spec.task, spec.horizon, realised(targets, bars, spec.horizon)), models
