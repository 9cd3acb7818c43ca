"""Rows held back: one way to write them down, used by parsing, alignment and validation.

What does not belong here: the rules themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import polars.selectors as cs

from lim_pipelines.schemas import QUARANTINE
from lim_pipelines.sources.base import QUARANTINE_AS


def quarantine(stage: str, failing: pl.DataFrame, evidence: list[str]) -> pl.DataFrame:
    """Bring failing rows to the quarantine table.

    Parameters
    ----------
    stage
        parse, align, validate or publish.
    failing
        Rows with columns exchange, date, source, file, line, symbol, rule, reason, known_at, and the
        evidence.
    evidence
        Columns that are kept as JSON. Numbers become text: JSON knows no infinity, and the row as it came
        must stay readable.

    Returns
    -------
    pl.DataFrame
        Frame of `QUARANTINE`; as many rows as `failing`.
    """
    if failing.is_empty():
        return QUARANTINE.empty()
    return QUARANTINE.conform(
        failing.with_columns(pl.lit(stage).alias("stage"), as_evidence(evidence).alias("evidence"))
    )


def as_evidence(columns: list[str]) -> pl.Expr:
    """Columns of each row as JSON, numbers as text."""
    floats = cs.by_name(columns) & cs.float()
    return pl.struct(cs.by_name(columns) - cs.float(), floats.cast(pl.String)).struct.json_encode()


def refused(rows: pl.DataFrame, reasons: Mapping[str, str], evidence: list[str]) -> pl.DataFrame:
    """Bring rows of alternative data that fail a rule of their source to the quarantine table.

    Parameters
    ----------
    rows
        Columns date, source, file, line, symbol, known_at, the evidence, and `rule`, null for good rows.
    reasons
        Rule to what is wrong and what to do.
    evidence
        As for `quarantine`.
    """
    bad = rows.filter(pl.col("rule").is_not_null()).with_columns(
        exchange=pl.lit(QUARANTINE_AS),
        reason=pl.col("rule").replace_strict(dict(reasons), return_dtype=pl.String),
    )
    return quarantine("parse", bad.with_columns(pl.col("symbol").fill_null("")), evidence)
