"""The gate: rows that pass every blocking rule are published, the others are quarantined with the reason.

What does not belong here: the rules (`rules/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.schemas import VALIDATED_BARS, VALIDATED_MACRO, Table
from lim_pipelines.sources.base import QUARANTINE_AS
from lim_pipelines.sources.macro import QUARANTINE_EXCHANGE
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rule import Rule
from lim_pipelines.validate.rules import rules_of


def validate(frame: pl.DataFrame, table: Table) -> Outcome:
    """Judge every row by every rule of its table, in one pass.

    Parameters
    ----------
    frame
        Aligned rows, columns of `table`.
    table
        A validated table of bars, macro series or alternative data.

    Returns
    -------
    Outcome
        Rows in = rows + quarantined. A quarantined row names the first blocking rule that it fails; its
        reason holds all of them with their remedies. A withdrawal always goes on. `warnings` counts
        published rows for each warning rule.
    """
    rules = rules_of(table)
    blocking = [rule for rule in rules if rule.severity == "blocking"]
    warning = [rule for rule in rules if rule.severity == "warning"]
    judged = prepare(frame, table).with_columns(rule.passes().alias(_flag(rule)) for rule in rules)
    good = pl.all_horizontal(_flag(rule) for rule in blocking)
    if "withdrawn" in table.columns:
        # It repeats the values it takes back, right or wrong; held back, an earlier right one would go on.
        good |= pl.col("withdrawn")
    published = judged.filter(good)
    counts = {rule.name: int((~published[_flag(rule)]).sum()) for rule in warning}

    failing = judged.filter(~good).with_columns(
        rule=pl.coalesce(pl.when(~pl.col(_flag(rule))).then(pl.lit(rule.name)) for rule in blocking),
        reason=pl.concat_str(
            (pl.when(~pl.col(_flag(rule))).then(pl.lit(_explain(rule))) for rule in blocking),
            separator=" | ",
            ignore_nulls=True,
        ),
    )
    return Outcome(
        rows=table.conform(published),
        quarantined=quarantine("validate", _origin(failing, table), _evidence(table)),
        warnings=counts,
    )


def _flag(rule: Rule) -> str:
    return f"_{rule.name}"


def _explain(rule: Rule) -> str:
    return f"{rule.name}: {rule.rationale}; {rule.remedy}"


def _origin(failing: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Add the quarantine's columns that say where a row came from."""
    if table.name == VALIDATED_MACRO.name:
        return failing.with_columns(
            exchange=pl.lit(QUARANTINE_EXCHANGE), date=pl.col("ts").dt.date(), symbol=pl.col("series_id")
        )
    if table.name == VALIDATED_BARS.name:
        # Aligned bars have left their vendor line behind: the way back is the raw table under the same key.
        return failing.with_columns(
            file=pl.lit("lake://aligned_bars"), line=pl.lit(0, pl.Int64), symbol=pl.col("instrument_id")
        )
    about = "entity_id" if "entity_id" in table.columns else "subject_id"
    return failing.with_columns(
        exchange=pl.lit(QUARANTINE_AS),
        date=pl.col("ts").dt.date(),
        symbol=pl.col(about),
        table=pl.lit(table.name.replace("validated", "aligned")),
    )


def _evidence(table: Table) -> list[str]:
    """Columns kept of a row; the shapes of alternative data share a quarantine and say which they are of."""
    shared = table.name not in (VALIDATED_BARS.name, VALIDATED_MACRO.name)
    return ["table", *table.columns] if shared else list(table.columns)
