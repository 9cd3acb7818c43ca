"""The rules through Great Expectations: the analyst's view, and an independent second opinion on the gate.

What does not belong here: deciding what is published (`gate.py` does, in a fraction of the time).

Great Expectations takes seconds to import and knows pandas, not polars: both are loaded when first asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from lim_pipelines.schemas import Table
from lim_pipelines.validate.checks import Check
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rule import Severity
from lim_pipelines.validate.rules import rules_of

SAMPLE = 5


@dataclass(frozen=True)
class ExpectationResult:
    """Result of one expectation.

    Parameters
    ----------
    rule, severity
        The rule it belongs to.
    expectation
        Great Expectations' name and the columns, for people.
    success
        Whether no row was unexpected.
    evaluated, unexpected
        Rows looked at, rows that fail.
    sample
        Up to five unexpected values as text.
    """

    rule: str
    severity: Severity
    expectation: str
    success: bool
    evaluated: int
    unexpected: int
    sample: tuple[str, ...]


@dataclass(frozen=True)
class ExpectationReport:
    """Results of all expectations of a table; `success` looks at blocking rules only."""

    table: str
    success: bool
    results: tuple[ExpectationResult, ...]


def check_expectations(frame: pl.DataFrame, table: Table) -> ExpectationReport:
    """Run the rules of a table through Great Expectations.

    Parameters
    ----------
    frame
        Rows with the columns of `table`; they fit into memory as pandas.
    table
        `VALIDATED_BARS` or `VALIDATED_MACRO`.

    Returns
    -------
    ExpectationReport
        One result for each check of each rule.
    """
    # Read when the library is imported; without it every run would try to call home.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    rules = rules_of(table)
    checks = [(rule, check) for rule in rules for check in rule.checks]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset(table.name)
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(name=table.name)
    for i, (_, check) in enumerate(checks):
        name, kwargs = check.expectation()
        suite.add_expectation(getattr(gx.expectations, name)(**kwargs, meta={"check": i}))
    definition = gx.ValidationDefinition(name=table.name, data=batch, suite=context.suites.add(suite))
    # No check reads a moment itself; pandas need not convert them.
    data = prepare(frame, table).select(~cs.temporal()).to_pandas()
    outcome = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": data},
        result_format={"result_format": "BASIC", "partial_unexpected_count": SAMPLE},
    )
    # Results come back grouped by column, not in the order of the suite.
    ordered = sorted(outcome.results, key=lambda one: one.expectation_config.meta["check"])
    results = tuple(
        ExpectationResult(
            rule=rule.name,
            severity=rule.severity,
            expectation=_describe(check),
            success=bool(one.success),
            evaluated=int(one.result.get("element_count", 0)),
            unexpected=int(one.result.get("unexpected_count", 0)),
            sample=tuple(str(value) for value in one.result.get("partial_unexpected_list", [])[:SAMPLE]),
        )
        for (rule, check), one in zip(checks, ordered, strict=True)
    )
    good = all(result.success for result in results if result.severity == "blocking")
    return ExpectationReport(table.name, good, results)


def _describe(check: Check) -> str:
    name, kwargs = check.expectation()
    columns = [str(kwargs[key]) for key in ("column", "column_A", "column_B") if key in kwargs]
    return f"{name}({', '.join(columns)})"
