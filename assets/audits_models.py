"""Asset checks `no_look_ahead` on checkpoints, models, targets and backtests; they block what follows.

What does not belong here: the audits (`lim_pipelines/audit`), those of data (`audits_data.py`).

A check looks at the newest cutoff of its run, and there at what is quick; `look_ahead_audit` looks at all of
them, and trains again.
"""

from collections.abc import Callable, Sequence
from datetime import date

import dagster as dg

from assets.catalogue import table_metadata
from lim_pipelines.audit import verdict
from lim_pipelines.audit.backtests import audit_backtest
from lim_pipelines.audit.checkpoints import audit_checkpoint, audit_model
from lim_pipelines.audit.data import audit_code
from lim_pipelines.audit.decisions import audit_decision
from lim_pipelines.audit.targets import audit_targets
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FOUNDATIONS, FoundationConfig
from lim_pipelines.lake import Lake
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

NAME = "no_look_ahead"
_MORE = " If it fails, nothing that is made of it runs. How it works: docs/look-ahead.md."

Audit = Callable[[Home, date], list[Verdict]]


def build_checkpoint_audit(config: FoundationConfig) -> dg.AssetChecksDefinition:
    """Make the check of one family of checkpoints."""

    def audit(home: Home, cutoff: date) -> list[Verdict]:
        return [audit_code(), *audit_checkpoint(home.lake(), home.models, config, cutoff)]

    return _of_cutoff(
        config.name,
        config.name,
        "The rows that the newest checkpoint of the run was trained from are those known at its cutoff; its"
        " training windows end before the validation begins, its parents are earlier, and no context shows a"
        " bar behind it.",
        audit,
    )


def build_strategy_audits(spec: StrategySpec) -> list[dg.AssetChecksDefinition]:
    """Make the checks of a strategy's models, targets and backtest."""

    def model(home: Home, cutoff: date) -> list[Verdict]:
        if not spec.cadence.begun(cutoff):
            return [audit_code()]
        there = (home.lake(), home.models, spec.name, spec.cadence.trained_at(cutoff))
        return [audit_code(), *audit_model(*there), *audit_decision(*there)]

    def targets(home: Home, cutoff: date) -> list[Verdict]:
        return audit_targets(home.lake(), home.models, spec, cutoff, decisions=2)

    @dg.asset_check(
        asset=f"{spec.name}_backtest",
        name=NAME,
        blocking=True,
        description="The backtest again without the bars behind some session gives the same results up to it;"
        " no order is filled at a price that its decision saw; the scores are those of the daily results."
        + _MORE,
    )
    def backtest(home: Home) -> dg.AssetCheckResult:
        return result(home.lake(), audit_backtest(home.lake(), spec, sessions=1))

    return [
        _of_cutoff(
            f"{spec.name}_model",
            spec.name,
            "The rows that the newest models of the run were fitted on are those known at their cutoff; no"
            " label of the fit reaches the validation; features, contexts and scalings show nothing later,"
            " and labels begin behind the decision's own close. They were judged by what was known then.",
            model,
        ),
        _of_cutoff(
            f"{spec.name}_targets",
            spec.name,
            "The first and the last decision of the run's newest cutoff, taken again where nothing known"
            " later exists, give the stored forecasts and weights to the bit; all are decided in their"
            " period, by models of its cutoff.",
            targets,
        ),
        backtest,
    ]


def result(lake: Lake, verdicts: Sequence[Verdict]) -> dg.AssetCheckResult:
    """Keep verdicts in the lake and show them.

    Parameters
    ----------
    lake
        Where to keep them.
    verdicts
        What the audits found.
    """
    verdict.record(lake, verdicts)
    return shown(verdicts)


def shown(verdicts: Sequence[Verdict]) -> dg.AssetCheckResult:
    """Show verdicts as the result of a check."""
    failed = [one for one in verdicts if not one.passed]
    told = [one for one in verdicts if not one.empty]
    again = sum(one.compared for one in told if one.audit == "recompute")
    held = sum(one.compared for one in told if one.audit != "recompute")
    if failed:
        said = failed[0].finding
    elif told:
        said = (
            f"nothing of the future in {len(told)} audits: {again:,} rows or weights made again, {held:,}"
            " rows, reads and windows held against rules"
        )
    else:
        said = "not audited: nothing there to compare yet"
    if len(told) < len(verdicts):
        said += f"; {len(verdicts) - len(told)} not audited, with nothing to compare at their moments"
    return dg.AssetCheckResult(
        check_name=NAME,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=said,
        metadata={
            "audits": table_metadata(verdict.rows(verdicts).drop("asset").sort("passed", "audit"), rows=60),
            "made_again": again,
            "held_against_rules": held,
            "not_audited": len(verdicts) - len(told),
            "failed": len(failed),
        },
    )


def cutoffs_of(context: dg.AssetCheckExecutionContext) -> list[date]:
    """Newest cutoff of a run; none if the check was started by hand, or its run has no partitions."""
    tags = context.run.tags
    asked = tags.get("dagster/asset_partition_range_end") or tags.get("dagster/partition")
    return [date.fromisoformat(asked)] if asked else []


def _of_cutoff(asset: str, folder: str, what: str, audit: Audit) -> dg.AssetChecksDefinition:
    """Make a check that audits the newest cutoff of its run."""

    @dg.asset_check(asset=asset, name=NAME, blocking=True, description=what + _MORE)
    def check(context: dg.AssetCheckExecutionContext, home: Home) -> dg.AssetCheckResult:
        there = cutoffs_of(context) or checkpoint.cutoffs(home.models, folder)[-1:]
        return result(home.lake(), [found for cutoff in there for found in audit(home, cutoff)])

    return check


CHECKS = [build_checkpoint_audit(config) for config in FOUNDATIONS.values()]
