"""Asset checks: refused files, calendars.

What does not belong here: the gate. Rows that fail a blocking rule never reach `validated_bars`
(`lim_pipelines/validate/gate.py`); these checks show that and let nothing pass unseen.
"""

from datetime import timedelta

import dagster as dg
import polars as pl

from assets.explain import table
from assets.partitions import exchanges
from lim_pipelines import clock
from lim_pipelines.alternative.entity_master import refused_decisions
from lim_pipelines.alternative.load import refused_files as alternative_refused
from lim_pipelines.exchanges import calendar_ends
from lim_pipelines.landing.survey import PRESENT
from lim_pipelines.schemas import LANDING_FILES
from resources.home import Home

CALENDAR_WARNING = timedelta(days=60)


@dg.asset_check(
    asset="validated_bars",
    description="Calendars that end soon: beyond them every day counts as closed.",
)
def calendars(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warn when the holidays of next year are not known yet for an exchange in use."""
    soon = clock.now().date() + CALENDAR_WARNING
    ends = {mic: calendar_ends(mic) for mic in context.instance.get_dynamic_partitions(exchanges.name or "")}
    ending = {mic: end for mic, end in ends.items() if end is not None and end < soon}
    return dg.AssetCheckResult(
        passed=not ending,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"no calendar in use ends before {soon}"
        if not ending
        else "update the package exchange-calendars: "
        + ", ".join(f"{mic} ends {end}" for mic, end in sorted(ending.items())),
    )


@dg.asset_check(
    asset="landing_files", description="Files of the landing folder that were refused as a whole."
)
def refused_files(home: Home) -> dg.AssetCheckResult:
    """Warn when files were refused, and say why and what to do."""
    here = (pl.col("rule") != "") & (pl.col("state") == PRESENT)
    return _refused(home.lake().revisions(LANDING_FILES, here).collect().sort(LANDING_FILES.row_key))


def _refused(refused: pl.DataFrame) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=refused.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description="no file is refused"
        if refused.is_empty()
        # A file that came again has a line of each content.
        else f"{refused['path'].n_unique()} files are refused; nothing of them was read",
        metadata={"files": table(refused.select("path", "rule", "reason").unique(maintain_order=True), 60)},
    )


@dg.asset_check(
    asset="alternative_files",
    name="refused_files",
    description="Files of alternative data that were refused as a whole.",
)
def refused_alternative_files(home: Home) -> dg.AssetCheckResult:
    """Warn when files were refused, and say why and what to do."""
    return _refused(alternative_refused(home.lake()))


@dg.asset_check(
    asset="link_reviews", name="refused_files", description="Lists of people's decisions that were refused."
)
def refused_decision_lists(home: Home) -> dg.AssetCheckResult:
    """Warn when lists of decisions were refused, and say why and what to do."""
    errors = refused_decisions(home.lake(), home.landing)
    rows = [(error.path, error.rule, f"{error.reason}; {error.remedy}") for error in errors]
    return _refused(pl.DataFrame(rows, schema=["path", "rule", "reason"], orient="row"))


ASSET_CHECKS = [
    calendars,
    refused_files,
    refused_alternative_files,
    refused_decision_lists,
]
