"""Data Docs: the rules as Great Expectations sees them, as pages below Home.data_docs.

What does not belong here: the gate, which decides what is published; it never loads Great Expectations. This
runs on demand and weekly.
"""

import dagster as dg
import polars as pl

from assets.catalogue import CODE_VERSION, OWNERS, table_metadata
from lim_pipelines import clock
from lim_pipelines.validate import data_docs as site
from lim_pipelines.validate.data_docs import Shown
from lim_pipelines.validate.excerpt import JUDGED, excerpts
from resources.home import Home

TABLES = [table.name for table, _ in JUDGED]
"""Tables that have rules; an asset check each."""


@dg.asset(
    group_name="validation",
    owners=OWNERS,
    kinds={"greatexpectations", "html"},
    code_version=CODE_VERSION,
    deps=[*TABLES, "archive"],
    check_specs=[
        dg.AssetCheckSpec(
            name,
            asset="data_docs",
            description=f"The rules of {name} by Great Expectations, on recent rows as they stood before the"
            " gate. An error if it counts other rows than the gate.",
        )
        for name in TABLES
    ],
)
# Of an asset with checks dagster knows only the bare name of its result.
def data_docs(home: Home) -> dg.MaterializeResult:  # type: ignore[type-arg]  # beside checks Dagster takes the bare class only
    """Every rule, why it is right, and how it holds on recent rows, with examples of rows that fail."""
    shown = [site.look(excerpt) for excerpt in excerpts(home.lake())]
    site.write_site(home.data_docs, shown, clock.now())
    holds = pl.DataFrame(
        [
            (
                one.table.name,
                one.excerpt.rows.height,
                len(one.report.results),
                len(one.report.results) - len(one.report.failing),
                ", ".join(dict.fromkeys(result.rule.name for result in one.report.failing)),
            )
            for one in shown
        ],
        schema=["table", "rows", "expectations", "hold", "rules that rows fail"],
        orient="row",
    )
    return dg.MaterializeResult(
        metadata={
            "site": dg.MetadataValue.path(home.data_docs / site.INDEX),
            "tables": table_metadata(holds),
            "dagster/row_count": int(holds["rows"].sum()),
        },
        check_results=[_verdict(one, home) for one in shown],
    )


def _verdict(one: Shown, home: Home) -> dg.AssetCheckResult:
    """Whether a table's expectations hold, and whether the gate counts the same."""
    report = one.report
    results = pl.DataFrame(
        [
            (r.rule.name, r.rule.severity, r.expectation, r.evaluated, r.unexpected, r.by_gate)
            for r in sorted(report.results, key=lambda result: (result.success, result.rule.name))
        ],
        schema=["rule", "severity", "expectation", "judged", "fail", "fail by the gate"],
        orient="row",
    )
    hold = len(report.results) - len(report.failing)
    said = f"{hold} of {len(report.results)} expectations hold on {one.excerpt.rows.height} rows"
    if report.disagreeing:
        said += "; Great Expectations and the gate count differently: one of them is wrong"
    return dg.AssetCheckResult(
        check_name=one.table.name,
        passed=not report.failing and not report.disagreeing,
        severity=dg.AssetCheckSeverity.ERROR if report.disagreeing else dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={
            "page": dg.MetadataValue.path(home.data_docs / site.page_of(one.table.name)),
            "expectations": table_metadata(results, rows=80),
        },
    )


ASSETS = [data_docs]
