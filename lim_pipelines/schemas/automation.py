"""What results read, which of them are stale, and what people asked to be made again.

What does not belong here: results (`results.py`); checkpoints and models, which keep what they read in their
own meta.json.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas.table import UTC_TIME, Column, Table

_RESULT = Column(pl.String, "", "asset that made it: a family, <strategy>_model, _targets, _backtest, ...")
_PARTITION = Column(pl.String, "", "its cutoff, ISO 8601; empty where it has none")

RESULT_READS = Table(
    "result_reads",
    "What targets, backtests and the leaderboard were made of: each table that they read, at which version.",
    {
        "result": _RESULT,
        "partition": _PARTITION,
        "table": Column(pl.String, "", "table of the lake"),
        "lake_version": Column(pl.Int64, "", "its version before it was read; -1: it did not exist"),
        "as_of": Column(UTC_TIME, "UTC", "moment of the read; null: everything known", nullable=True),
        "fingerprint": Column(pl.String, "", "content hash of the rows, for when the version is gone"),
        "parents": Column(pl.String, "", "digest of the models that decided; empty for what models made not"),
        "code": Column(pl.String, "", "version of the code, and digest of the specification"),
    },
    key=("result", "partition", "table"),
    partition_key=("result", "partition"),
    stored_by=("result",),
)

STALE_RESULTS = Table(
    "stale_results",
    "Results that would come out of other rows, parents or settings today, one row a cause.",
    {
        "result": _RESULT,
        "partition": _PARTITION,
        "cause": Column(pl.String, "", "rows, parent or settings"),
        "table": Column(pl.String, "", "table whose rows are others, or the parent; empty for settings"),
        "lake_version": Column(pl.Int64, "", "version of the table that was read", nullable=True),
        "exchange": Column(pl.String, "", "market identifier of the rows; empty where they have none"),
        "first_date": Column(pl.Date, "", "first session of the rows", nullable=True),
        "last_date": Column(pl.Date, "", "last session of the rows", nullable=True),
        "rows": Column(pl.Int64, "rows", "rows that came, went or are others"),
        "current": Column(pl.Boolean, "", "whether policies make it again; else it is listed for people"),
        "why": Column(pl.String, "", "in words"),
    },
    key=("result", "partition", "cause", "table", "exchange"),
    partition_key=("result",),
    stored_by=(),
)

REDO_REQUESTS = Table(
    "redo_requests",
    "What people asked to be made again.",
    {
        "request": Column(pl.String, "", "run that recorded it"),
        "result": Column(pl.String, "", "asset whose stale partitions are made again; all"),
        "since": Column(pl.Date, "", "first cutoff that is made again; null: all", nullable=True),
        "asked_at": Column(UTC_TIME, "UTC", "when"),
    },
    key=("request",),
    partition_key=("request",),
    stored_by=(),
)
