"""What the gate found, written down by partition: rules that something fails, counts, samples, figures.

What does not belong here: finding it (`gate.py`, `partitions.py`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from lim_pipelines.lake.content import fingerprint
from lim_pipelines.schemas import GATE_RESULTS, QUARANTINE
from lim_pipelines.sources.quarantine import as_evidence
from lim_pipelines.validate.rule import Rule

PARTITION: Final = ["exchange", "date"]

SAMPLE_ROWS: Final = 3
"""Rows shown of each rule and partition: the first ones."""

_SAMPLE: Final = [
    *("instrument_id", "source", "freq", "price_type", "ts", "open", "high", "low", "close", "volume"),
    *("ex_factor", "known_at"),
]


def explain(rule: Rule) -> str:
    """Say why a rule is right and what to do."""
    return f"{rule.name}: {rule.rationale}; {rule.remedy}"


def contents(frame: pl.DataFrame, hashed: pl.DataFrame) -> pl.DataFrame:
    """Rows of each partition, and content hashes of some.

    Parameters
    ----------
    frame
        Frame of `ALIGNED_BARS`, sorted by row key.
    hashed
        Columns exchange and date: partitions that may have to be released by their content. A hash takes
        milliseconds, which are too many for all.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, rows, known_at of the newest row, content; sorted.
    """
    found = frame.group_by(PARTITION, maintain_order=True).agg(
        rows=pl.len().cast(pl.Int64), known_at=pl.col("known_at").max()
    )
    starts = found.with_columns(start=pl.col("rows").cum_sum() - pl.col("rows"))
    wanted = starts.join(hashed.select(PARTITION).unique(), on=PARTITION, how="semi", maintain_order="left")
    hashes = [fingerprint(frame.slice(start, n)) for start, n in wanted.select("start", "rows").iter_rows()]
    content = wanted.select(*PARTITION, content=pl.Series(hashes, dtype=pl.String))
    return found.join(content, on=PARTITION, how="left", maintain_order="left").with_columns(
        pl.col("content").fill_null("")
    )


def verdicts(
    frame: pl.DataFrame,
    partitions: pl.DataFrame,
    rows: pl.DataFrame,
    figures: pl.DataFrame,
    failed: pl.DataFrame,
    rules: list[Rule],
) -> pl.DataFrame:
    """Write down what was found.

    Parameters
    ----------
    frame
        The bars that were judged.
    partitions
        What `contents` gives of them.
    rows
        Columns row (its place in `frame`), rule, severity, released: rows that fail a rule of rows.
    figures
        What `summarise` gives of them.
    failed
        Columns exchange, date, source, rule, released: partitions that fail a rule of partitions.
    rules
        All rules of bars.

    Returns
    -------
    pl.DataFrame
        Frame of `GATE_RESULTS`: a row a partition and rule that something fails, and one a partition with
        an empty rule. Of a rule of rows, `held` is false: it holds rows, not partitions.
    """
    about = pl.DataFrame(
        [(rule.name, rule.level, rule.severity) for rule in rules],
        schema={"rule": pl.String, "level": pl.String, "severity": pl.String},
        orient="row",
    )
    by_row = _by_rule(frame, rows)
    told = figures.with_columns(_figures(figures).alias("evidence"))
    by_partition = (
        failed.join(told.select(*PARTITION, "source", "evidence"), on=[*PARTITION, "source"])
        .sort(*PARTITION, "source")
        .group_by(*PARTITION, "rule")
        .agg(pl.col("released").all(), evidence=_list("evidence"))
        .join(partitions.select(*PARTITION, failed="rows"), on=PARTITION)
        .with_columns(released=pl.when("released").then("failed").otherwise(0))
    )
    columns = [*PARTITION, "rule", "failed", "released", "evidence"]
    by_rule = (
        pl.concat([part.select(columns) for part in (by_row, by_partition)])
        .join(about, on="rule")
        .join(partitions.select(*PARTITION, "rows"), on=PARTITION)
        .with_columns(
            held=(pl.col("level") == "partition")
            & (pl.col("severity") == "blocking")
            & (pl.col("released") == 0),
            content=pl.lit(""),
        )
    )
    return GATE_RESULTS.conform(
        pl.concat(
            part.select(GATE_RESULTS.schema.names())
            for part in (by_rule, _whole(frame, partitions, rows, told, by_rule))
        )
    )


def held_partitions(
    partitions: pl.DataFrame, figures: pl.DataFrame, failed: pl.DataFrame, rules: list[Rule]
) -> pl.DataFrame:
    """Partitions that do not go on, as rows of the quarantine.

    Parameters
    ----------
    partitions, figures
        As for `verdicts`.
    failed
        Columns exchange, date, source, rule of blocking rules of partitions, unreleased, in the order of
        rules.
    rules
        Those rules.

    Returns
    -------
    pl.DataFrame
        Frame of `QUARANTINE`, a row a partition, of stage publish. It names the first rule that fails; its
        reason holds all of them, and how to release.
    """
    reasons = {rule.name: explain(rule) for rule in rules}
    release = " | if it is right as it is: materialize `releases` with this exchange, date and rule"
    told = figures.with_columns(_figures(figures).alias("evidence"))
    found = (
        failed.join(told, on=[*PARTITION, "source"], maintain_order="left")
        .with_columns(reason=pl.col("source") + " fails " + pl.col("rule").replace(reasons))
        .group_by(PARTITION, maintain_order=True)
        .agg(
            pl.col("source").unique().sort().str.join(", "),
            pl.col("rule").first(),
            pl.col("reason").str.join(" | ") + release,
            evidence=_list("evidence"),
        )
    )
    return QUARANTINE.conform(
        found.join(partitions.select(*PARTITION, "known_at"), on=PARTITION).with_columns(
            stage=pl.lit("publish"), file=pl.lit("lake://aligned_bars"), line=pl.lit(0), symbol=pl.lit("")
        )
    )


def not_published(held: pl.DataFrame, results: pl.DataFrame) -> pl.DataFrame:
    """List partitions that are not published, and how many rows that pass all rules of rows stay behind.

    Parameters
    ----------
    held
        What `held_partitions` gives.
    results
        What `verdicts` gives.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, rule, reason, rows.
    """
    passed = pl.col("rows") - pl.col("failed") + pl.col("released")
    whole = results.filter(pl.col("rule") == "").select(*PARTITION, rows=passed)
    return held.select(*PARTITION, "rule", "reason").join(whole, on=PARTITION, how="left")


def _by_rule(frame: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Count the rows that fail each rule, with samples."""
    where = frame.select(pl.col(name).gather(rows["row"]) for name in PARTITION)
    found = (
        pl.concat([rows, where], how="horizontal")
        .sort("row")
        .group_by(*PARTITION, "rule")
        .agg(
            failed=pl.len().cast(pl.Int64),
            released=pl.col("released").sum().cast(pl.Int64),
            row=pl.col("row").head(SAMPLE_ROWS),
        )
    )
    samples = found.select(*PARTITION, "rule", "row").explode("row", empty_as_null=False)
    shown = frame.select(pl.col(name).gather(samples["row"]) for name in _SAMPLE)
    samples = samples.with_columns(evidence=shown.select(as_evidence(_SAMPLE)).to_series())
    texts = samples.group_by(*PARTITION, "rule", maintain_order=True).agg(evidence=_list("evidence"))
    return found.drop("row").join(texts, on=[*PARTITION, "rule"])


def _whole(
    frame: pl.DataFrame,
    partitions: pl.DataFrame,
    rows: pl.DataFrame,
    told: pl.DataFrame,
    by_rule: pl.DataFrame,
) -> pl.DataFrame:
    """Describe each partition: rows that fail a blocking rule, whether it is held, its sources' figures."""
    bad = rows.filter(pl.col("severity") == "blocking").group_by("row").agg(pl.col("released").all())
    where = frame.select(pl.col(name).gather(bad["row"]) for name in PARTITION)
    failed = (
        pl.concat([bad, where], how="horizontal")
        .group_by(PARTITION)
        .agg(failed=pl.len().cast(pl.Int64), released=pl.col("released").sum().cast(pl.Int64))
    )
    held = by_rule.group_by(PARTITION).agg(pl.col("held").any())
    evidence = told.group_by(PARTITION).agg(evidence=_list("evidence"))
    return (
        partitions.join(failed, on=PARTITION, how="left")
        .join(held, on=PARTITION, how="left")
        .join(evidence, on=PARTITION)
        .with_columns(pl.col("failed", "released").fill_null(0), pl.col("held").fill_null(False))
        .with_columns(pl.lit("").alias(name) for name in ("rule", "level", "severity"))
    )


def _figures(figures: pl.DataFrame) -> pl.Expr:
    """Write a source's figures as JSON, short enough to read."""
    names = [name for name in figures.columns if name not in PARTITION]
    return pl.struct(
        pl.col(name).round(4) if figures.schema[name] == pl.Float64 else name for name in names
    ).struct.json_encode()


def _list(column: str) -> pl.Expr:
    """JSON values of a group as a JSON list."""
    return pl.lit("[") + pl.col(column).str.join(",") + pl.lit("]")
