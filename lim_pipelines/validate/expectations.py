"""The rules through Great Expectations: the analyst's view, and an independent second opinion on the gate.

What does not belong here: deciding what is published (`gate.py` does, in a fraction of the time), which rows
the analyst looks at and the pages (`data_docs.py`).

Great Expectations takes seconds to import and knows pandas, not polars: both are loaded when first asked, and
never by a partition's run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

import polars as pl
import polars.selectors as cs

from lim_pipelines.validate.checks import Check
from lim_pipelines.validate.rule import Rule, Severity

SAMPLE = 5
"""Failing rows kept of each expectation."""

SEVERITIES: dict[Severity, str] = {"blocking": "critical", "warning": "warning"}
"""Ours to Great Expectations'."""


@dataclass(frozen=True)
class ExpectationResult:
    """Result of one expectation.

    Parameters
    ----------
    rule
        The rule it belongs to.
    expectation
        What is expected, in Great Expectations' words.
    success
        Whether no row was unexpected.
    evaluated, unexpected
        Rows looked at (those to which it applies), rows that fail.
    by_gate
        Rows that fail as the gate counts them; the same number, or one of the two is wrong.
    examples
        Up to five of the failing rows, all columns of the frame.
    """

    rule: Rule
    expectation: str
    success: bool
    evaluated: int
    unexpected: int
    by_gate: int
    examples: pl.DataFrame


@dataclass(frozen=True)
class ExpectationReport:
    """Results of a suite, in the order of its rules and their checks."""

    results: tuple[ExpectationResult, ...]

    @property
    def failing(self) -> tuple[ExpectationResult, ...]:
        """Results with unexpected rows."""
        return tuple(result for result in self.results if not result.success)

    @property
    def disagreeing(self) -> tuple[ExpectationResult, ...]:
        """Results that the gate counts otherwise."""
        return tuple(result for result in self.results if result.unexpected != result.by_gate)

    @property
    def blocked(self) -> bool:
        """Whether something fails that may not be published."""
        return any(result.rule.severity == "blocking" for result in self.failing)


def check_expectations(frame: pl.DataFrame, rules: Sequence[Rule]) -> ExpectationReport:
    """Run rules through Great Expectations.

    Parameters
    ----------
    frame
        What the rules read: rows as `prepare` gives them, or a row a partition and source as `partitions`
        gives them. It fits into memory as pandas.
    rules
        Rules of one table and one level.

    Returns
    -------
    ExpectationReport
        One result for each check of each rule.

    Raises
    ------
    RuntimeError
        An expectation could not be evaluated: a column that it reads is missing, or has another type.
    """
    # Read when the library is imported; without it every run would try to call home.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    checks = [(rule, check) for rule in rules for check in rule.checks]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(name="rules")
    for number, (rule, check) in enumerate(checks):
        name, kwargs = _configured(rule, check)
        suite.add_expectation(
            getattr(gx.expectations, name)(
                **kwargs, severity=SEVERITIES[rule.severity], meta=_meta(rule, number)
            )
        )
    definition = gx.ValidationDefinition(name="rules", data=batch, suite=context.suites.add(suite))
    # No check reads a moment itself; pandas need not convert them.
    data = frame.select(~cs.temporal()).to_pandas()
    outcome = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": data},
        # The least that counts. It could name failing rows, a tenth of a millisecond each: polars does.
        result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
    )
    # Results come back grouped by column, not in the order of the suite.
    ordered = sorted(outcome.results, key=lambda one: int(one.expectation_config.meta["check"]))
    return ExpectationReport(
        tuple(_result(rule, check, one, frame) for (rule, check), one in zip(checks, ordered, strict=True))
    )


def _configured(rule: Rule, check: Check) -> tuple[str, dict[str, Any]]:
    """Great Expectations' class name and arguments of a check, for the sources that its rule judges."""
    name, kwargs = check.expectation()
    if rule.sources:
        conditions = [kwargs.get("row_condition"), f"source in {list(rule.sources)}"]
        kwargs |= {"row_condition": " and ".join(filter(None, conditions)), "condition_parser": "pandas"}
    return name, kwargs


def _meta(rule: Rule, number: int) -> dict[str, Any]:
    """Put together what an expectation carries of its rule; the number puts results back in order."""
    return {
        "check": number,
        "rule": rule.name,
        "severity": rule.severity,
        "owner": rule.owner,
        "notes": {
            "format": "markdown",
            "content": [f"**{rule.name}** ({rule.severity}, {rule.owner}): {rule.rationale}; {rule.remedy}"],
        },
    }


def _result(rule: Rule, check: Check, one: Any, frame: pl.DataFrame) -> ExpectationResult:
    """Read Great Expectations' result of one check."""
    if one.exception_info.get("raised_exception", False) or "element_count" not in one.result:
        raise RuntimeError(
            f"rule {rule.name}: Great Expectations could not evaluate {check.expectation()}:"
            f" {one.exception_info}; the frame has the columns {frame.columns}"
        )
    failing = frame.filter(~check.passes() & _judged(rule))
    return ExpectationResult(
        rule=rule,
        expectation=_in_words(rule, check),
        success=bool(one.success),
        evaluated=int(one.result["element_count"]),
        unexpected=int(one.result["unexpected_count"]),
        by_gate=failing.height,
        examples=failing.head(SAMPLE),
    )


def _judged(rule: Rule) -> pl.Expr:
    """Whether the rule judges a row."""
    return pl.col("source").is_in(rule.sources) if rule.sources else pl.lit(True)


def _in_words(rule: Rule, check: Check) -> str:
    """Say what is expected, as Great Expectations puts it, and of which rows."""
    import great_expectations as gx
    from great_expectations.render.renderer.inline_renderer import InlineRenderer

    name, kwargs = _configured(rule, check)
    # Its words for a condition are the name of a class.
    condition = kwargs.pop("row_condition", None)
    kwargs.pop("condition_parser", None)
    bare = getattr(gx.expectations, name)(**kwargs).configuration
    said = InlineRenderer(render_object=bare).get_rendered_content()[0].value
    words = Template(said.template).substitute(
        {name: str(param["value"]) for name, param in said.params.items()}
    )
    return f"{words} Only where {condition}." if condition else words
