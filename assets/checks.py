"""Asset checks: validation as the analyst sees it, quarantine, refused files, calendars, drift.

What does not belong here: the gate. Rows that fail a blocking rule never reach `validated_bars`
(`lim_pipelines/validate/gate.py`); these checks show that and let nothing pass unseen.
"""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl

from assets.catalogue import table_metadata
from assets.partitions import exchanges
from lim_pipelines.alternative.entity_master import refused_decisions
from lim_pipelines.alternative.load import refused_files as alternative_refused
from lim_pipelines.alternative.steps import SHAPES, held_back_from
from lim_pipelines.exchanges import calendar_ends
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.landing.survey import PRESENT
from lim_pipelines.schemas import LANDING_FILES, QUARANTINE, VALIDATED_BARS, VALIDATED_MACRO, Table
from lim_pipelines.sources.base import QUARANTINE_AS
from resources.home import Home

CALENDAR_WARNING = timedelta(days=60)
DRIFT_RECENT_SESSIONS = 40
DRIFT_REFERENCE = timedelta(days=3 * 365)


def _run_window(context: dg.AssetCheckExecutionContext) -> pl.Expr | None:
    """Exchanges and dates of the run that is being checked; none if it had no partitions."""
    tags = context.run.tags
    start = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition")
    end = tags.get("dagster/asset_partition_range_end") or start
    if start is None or end is None:
        return None
    (first, first_mic), (last, last_mic) = start.split("|"), end.split("|")
    # Exchanges stand in the order in which they came, not in that of the alphabet.
    mics = list(context.instance.get_dynamic_partitions(exchanges.name or ""))
    here = mics[mics.index(first_mic) : mics.index(last_mic) + 1]
    return pl.col("date").is_between(date.fromisoformat(first), date.fromisoformat(last)) & pl.col(
        "exchange"
    ).is_in(here)


def _expectations(frame: pl.DataFrame, table: Table) -> dg.AssetCheckResult:
    """Run the table's rules through Great Expectations."""
    from lim_pipelines.validate.expectations import check_expectations

    report = check_expectations(frame, table)
    blocking = [r for r in report.results if not r.success and r.severity == "blocking"]
    results = pl.DataFrame(
        [
            (r.rule, r.severity, r.success, r.evaluated, r.unexpected, "; ".join(r.sample[:3]))
            for r in report.results
        ],
        schema=["rule", "severity", "success", "evaluated", "unexpected", "sample"],
        orient="row",
    )
    return dg.AssetCheckResult(
        passed=all(r.success for r in report.results),
        severity=dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN,
        description=f"{sum(r.success for r in report.results)} of {len(report.results)} expectations hold"
        f" on {frame.height} rows",
        metadata={
            "rows": frame.height,
            "expectations": table_metadata(results.sort("success", "rule"), rows=60),
        },
    )


@dg.asset_check(
    asset="validated_bars",
    description="The validation rules, by Great Expectations, on the run's partitions.",
)
def expectations(context: dg.AssetCheckExecutionContext, home: Home) -> dg.AssetCheckResult:
    """Check the bars of the run's partitions against the rules."""
    return _expectations(
        home.lake().read(VALIDATED_BARS, as_of=LATEST, where=_run_window(context)).collect(), VALIDATED_BARS
    )


@dg.asset_check(
    asset="validated_macro", description="The validation rules, by Great Expectations.", name="expectations"
)
def macro_expectations(home: Home) -> dg.AssetCheckResult:
    """Check the macro series against the rules."""
    return _expectations(home.lake().read(VALIDATED_MACRO, as_of=LATEST).collect(), VALIDATED_MACRO)


@dg.asset_check(
    asset="validated_bars", description="Rows of the run's partitions that were held back, by rule."
)
def quarantine(context: dg.AssetCheckExecutionContext, home: Home) -> dg.AssetCheckResult:
    """Warn when rows are in quarantine, and say which and what to do."""
    return _held_back(home.lake(), _run_window(context))


def _held_back(lake: Lake, where: pl.Expr | None) -> dg.AssetCheckResult:
    """Show which rows are in quarantine, why, and what to do."""
    rows = lake.read(QUARANTINE, as_of=LATEST, where=where)
    by_rule = (
        rows.group_by("stage", "rule")
        .agg(
            pl.len().alias("rows"),
            pl.col("file").n_unique().alias("files"),
            pl.col("reason").first().alias("reason and remedy"),
        )
        .sort("stage", "rule")
        .collect()
    )
    held = int(by_rule["rows"].sum())
    columns = ("exchange", "date", "symbol", "rule", "file", "line", "evidence")
    sample = rows.group_by("rule").agg(pl.col(*columns[:3], *columns[4:]).head(3)).sort("rule").collect()
    return dg.AssetCheckResult(
        passed=not held,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{held} rows were held back; see the rules below" if held else "nothing was held back",
        metadata={
            "by_rule": table_metadata(by_rule, rows=60),
            "sample": table_metadata(
                sample.explode(*columns[:3], *columns[4:], empty_as_null=False).select(columns)
            ),
            "where": lake.uri(QUARANTINE),
        },
    )


@dg.asset_check(
    asset="validated_bars",
    description="Calendars that end soon: beyond them every day counts as closed.",
)
def calendars(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warn when the holidays of next year are not known yet for an exchange in use."""
    soon = datetime.now(UTC).date() + CALENDAR_WARNING
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
        else f"{refused.height} files are refused; nothing of them was read",
        metadata={"files": table_metadata(refused.select("path", "rule", "reason"), rows=60)},
    )


@dg.asset_check(
    asset="validated_bars",
    description="Population stability of recent daily returns against the three years before, by exchange;"
    " the retraining sensor listens.",
)
def drift(home: Home) -> dg.AssetCheckResult:
    """Warn when the newest sessions look unlike the years before."""
    from lim_pipelines.validate.drift import drift as measure

    bars = home.lake().read(VALIDATED_BARS, as_of=LATEST, where=pl.col("freq") == "1d").collect()
    if bars.is_empty():
        return dg.AssetCheckResult(passed=True, description="no daily bars yet")
    days = bars["date"].unique().sort()
    first_recent = days[-min(DRIFT_RECENT_SESSIONS, len(days))]
    found = measure(
        bars, (first_recent - DRIFT_REFERENCE, first_recent - timedelta(days=1)), (first_recent, days[-1])
    )
    if not found:
        return dg.AssetCheckResult(
            passed=True,
            description=f"{len(days)} sessions are too few to compare recent ones with earlier ones",
        )
    drifted = [d.exchange for d in found if d.drifted]
    table = pl.DataFrame(
        [(d.exchange, d.psi, d.threshold, d.drifted, d.reference_sessions, d.recent_sessions) for d in found],
        schema=["exchange", "psi", "threshold", "drifted", "reference_sessions", "recent_sessions"],
        orient="row",
    )
    return dg.AssetCheckResult(
        passed=not drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"returns since {first_recent} drifted on {', '.join(drifted)}"
        if drifted
        else f"no drift since {first_recent}",
        metadata={"by_exchange": table_metadata(table)},
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


def _alternative_quarantine(asset: str, what: str, where: pl.Expr) -> dg.AssetChecksDefinition:
    """Check that no rows of alternative data are held back at a stage."""

    @dg.asset_check(asset=asset, name="quarantine", description=f"{what} that are held back, by rule.")
    def check(home: Home) -> dg.AssetCheckResult:
        return _held_back(home.lake(), where & (pl.col("exchange") == QUARANTINE_AS))

    return check


ALTERNATIVE_CHECKS = [
    refused_alternative_files,
    refused_decision_lists,
    _alternative_quarantine("alternative_files", "Rows of files", pl.col("stage") == "parse"),
    *(
        _alternative_quarantine(
            shape.validated.name, f"Rows of {name}", held_back_from([shape.raw.name, shape.aligned.name])
        )
        for name, shape in SHAPES.items()
    ),
]

ASSET_CHECKS = [
    expectations,
    macro_expectations,
    quarantine,
    calendars,
    refused_files,
    drift,
    *ALTERNATIVE_CHECKS,
]
