"""The gate: rows that pass every blocking rule are published, the others are quarantined with the reason.

What does not belong here: the rules (`rules/`), figures of partitions (`partitions.py`), how findings are
written down (`verdicts.py`), releases by people (`releases.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.schemas import RELEASES, VALIDATED_BARS, VALIDATED_MACRO, Table
from lim_pipelines.sources.base import QUARANTINE_AS
from lim_pipelines.sources.macro import QUARANTINE_EXCHANGE
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.validate.beside import NOTHING, Beside
from lim_pipelines.validate.partitions import summarise
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.releases import released_partitions, released_rows
from lim_pipelines.validate.rule import Rule
from lim_pipelines.validate.rules import rules_of
from lim_pipelines.validate.since import known_since
from lim_pipelines.validate.verdicts import PARTITION, contents, explain, held_partitions, verdicts
from lim_pipelines.validate.vintages import failing_partitions, never_readable

_NO_RELEASES = RELEASES.empty()
_NOTHING_PUBLISHED = VALIDATED_BARS.empty()


def validate(
    frame: pl.DataFrame,
    table: Table,
    beside: Beside = NOTHING,
    releases: pl.DataFrame = _NO_RELEASES,
    published: pl.DataFrame = _NOTHING_PUBLISHED,
) -> Outcome:
    """Judge every row, and of bars every partition, by every rule of its table, in one pass.

    Parameters
    ----------
    frame
        Aligned rows, columns of `table`; bars are whole partitions.
    table
        A validated table of bars, macro series or alternative data.
    beside
        What bars are judged against.
    releases
        Frame of `RELEASES`: what a person lets through. Only of bars.
    published
        Frame of `VALIDATED_BARS`: what is published of the same partitions. It matters only where rows
        count as known from their release on: those that were published stay known since they were.

    Returns
    -------
    Outcome
        Rows in = rows + quarantined + rows of partitions held. A quarantined row names the first blocking
        rule that it fails; its reason holds all of them with their remedies. A withdrawal always goes on.
        `warnings` counts published rows for each warning rule.
    """
    if table.name == VALIDATED_BARS.name:
        return _judge_bars(table.conform(frame), beside, releases, published)
    rules = rules_of(table)
    failures = _failures(prepare(frame, table), rules)
    blocking = failures.filter(pl.col("severity") == "blocking")
    passes = _passes(frame, blocking)
    return Outcome(
        table.conform(frame.filter(passes)),
        _held_back(frame, table, blocking, rules),
        _count(_warned(failures, passes), rules),
    )


def _judge_bars(
    frame: pl.DataFrame, beside: Beside, releases: pl.DataFrame, published: pl.DataFrame
) -> Outcome:
    table, rules, whole = VALIDATED_BARS, rules_of(VALIDATED_BARS), rules_of(VALIDATED_BARS, "partition")
    failures = _failures(prepare(frame, table, beside), rules)
    blocking = failures.filter(pl.col("severity") == "blocking")
    waived = released_rows(frame, blocking, releases)
    blocking = blocking.join(waived, on=["row", "rule"], how="anti", maintain_order="left")
    passes = _passes(frame, blocking)
    warned = _warned(failures, passes)

    figures = summarise(frame, ~passes, beside)
    failed = failing_partitions(figures, whole)
    partitions = contents(frame, failed.filter(pl.col("severity") == "blocking"))
    failed = released_partitions(failed, partitions, releases)
    holding = failed.filter(pl.col("severity") == "blocking", ~pl.col("released"))
    goes_on = passes
    if holding.height:
        kept = pl.struct(PARTITION).is_in(holding.select(pl.struct(PARTITION).implode()).to_series()).not_()
        goes_on = passes & frame.select(kept).to_series()
    unread = never_readable(frame, goes_on, beside, whole, releases)
    if unread.height:
        goes_on = goes_on.clone().scatter(unread["row"], False)
    good = frame if goes_on.all() else frame.filter(goes_on)  # Copying all is the dearest step of all.
    found = [
        part.select("row", "rule", "severity", released=pl.lit(released))
        for part, released in ((blocking, False), (waived, True), (warned, False))
    ]
    return Outcome(
        known_since(good, frame, waived, failed, releases, published),
        _held_back(frame, table, pl.concat([blocking, unread]), [*rules, *whole]),
        _count(_warned(warned, goes_on), rules),
        held_partitions(partitions, figures, holding, whole),
        verdicts(frame, partitions, pl.concat(found), figures, failed, [*rules, *whole]),
    )


def _failures(judged: pl.DataFrame, rules: list[Rule]) -> pl.DataFrame:
    """Return columns row, rule, severity: which row of a prepared frame fails which rule, rule by rule."""
    # A withdrawal repeats the values it takes back, right or wrong; held back, an earlier right one would
    # go on.
    exempt = pl.col("withdrawn") if "withdrawn" in judged.columns else pl.lit(False)
    flags = judged.lazy().select((rule.passes() | exempt).alias(rule.name) for rule in rules).collect()
    none = pl.DataFrame(schema={"row": pl.get_index_type(), "rule": pl.String, "severity": pl.String})
    return pl.concat(
        [none]
        + [
            none.clear()
            if flags[rule.name].all()
            else flags.select(
                (~pl.col(rule.name)).arg_true().alias("row"),
                rule=pl.lit(rule.name),
                severity=pl.lit(rule.severity),
            )
            for rule in rules
        ]
    )


def _passes(frame: pl.DataFrame, blocking: pl.DataFrame) -> pl.Series:
    """Whether each row fails nothing."""
    return pl.repeat(True, frame.height, eager=True).scatter(blocking["row"].unique(), False)


def _warned(failures: pl.DataFrame, goes_on: pl.Series) -> pl.DataFrame:
    """Warnings about rows that go on."""
    warned = failures.filter(pl.col("severity") == "warning")
    return warned.filter(goes_on.gather(warned["row"]))


def _count(warned: pl.DataFrame, rules: list[Rule]) -> dict[str, int]:
    """Rows for each warning rule, also where there are none."""
    found = dict(warned.group_by("rule").len().iter_rows())
    return {rule.name: found.get(rule.name, 0) for rule in rules if rule.severity == "warning"}


def _held_back(frame: pl.DataFrame, table: Table, blocking: pl.DataFrame, rules: list[Rule]) -> pl.DataFrame:
    """Bring rows that fail blocking rules to the quarantine: the first rule, the reasons of all."""
    reasons = {rule.name: explain(rule) for rule in rules}
    failing = (
        blocking.group_by("row", maintain_order=True)
        .agg(pl.col("rule").first(), reason=pl.col("rule").replace(reasons).str.join(" | "))
        .sort("row")
    )
    rows = pl.concat([frame[failing["row"]], failing.drop("row")], how="horizontal")
    return quarantine("validate", _origin(rows, table), _evidence(table))


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
