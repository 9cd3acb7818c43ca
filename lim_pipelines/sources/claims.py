"""What files say of companies, one claim a row: named, identified_by, in_industry, in_country.

What does not belong here: any vendor's format (a source file each), who the companies are (`entities/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from lim_pipelines.schemas import RAW_CLAIMS, UTC_TIME
from lim_pipelines.sources.base import QUARANTINE_AS, ParsedTables, SourceFile
from lim_pipelines.sources.quarantine import quarantine


def known(file: SourceFile, collected: datetime) -> datetime:
    """Moment from which a snapshot is known: not before it was made; if a feed, not before it arrived."""
    return collected if file.history else max(collected, file.arrived_at)


def claims(
    file: SourceFile,
    known_at: datetime,
    rows: pl.DataFrame,
    said: Mapping[str, pl.Expr],
    reasons: Mapping[str, str],
) -> ParsedTables:
    """Turn a vendor's table of companies into claims.

    Parameters
    ----------
    file
        Where the rows came from; the claims' source is the file's.
    known_at
        Moment from which they are known.
    rows
        Columns `symbol`, `exchange` (MIC or null), `line`, `rule` (null for good rows) and what `said` needs;
        all columns of bad rows become evidence.
    said
        `<relation>` or `<relation> <what>` to the claim's object, null where the row says none.
    reasons
        Rule to what is wrong and what to do.
    """
    good = rows.filter(pl.col("rule").is_null())
    made = [
        good.select("symbol", "exchange", "line", relation=pl.lit(name.split(" ")[0]), object=what)
        for name, what in said.items()
    ]
    table = pl.concat(made).filter(pl.col("object").is_not_null()).sort("line")
    table = table.unique(["symbol", "relation", "object"], keep="first", maintain_order=True).with_columns(
        source=pl.lit(file.source), file=pl.lit(file.path), known_at=pl.lit(known_at, UTC_TIME)
    )
    bad = rows.filter(pl.col("rule").is_not_null()).with_columns(
        exchange=pl.lit(QUARANTINE_AS),
        date=pl.lit(known_at.date()),
        source=pl.lit(file.source),
        file=pl.lit(file.path),
        reason=pl.col("rule").replace_strict(dict(reasons), return_dtype=pl.String),
        known_at=pl.lit(known_at, UTC_TIME),
    )
    evidence = [name for name in rows.columns if name not in ("exchange", "line", "rule")]
    bad = bad.with_columns(pl.col("symbol").fill_null(""))
    return ParsedTables({RAW_CLAIMS.name: RAW_CLAIMS.conform(table)}, quarantine("parse", bad, evidence))
