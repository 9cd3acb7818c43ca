"""What validation and audits found: verdicts of the gate, releases by people, drift, look-ahead audits.

What does not belong here: rows that were held back (`QUARANTINE` in `bars.py`), the rules (`validate/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import UTC_TIME, Column, Table

GATE_RESULTS = Table(
    "gate_results",
    "What the gate found in each partition of bars: a row a rule that something fails, and one with an empty"
    " rule for the partition itself.",
    {
        "exchange": columns.EXCHANGE,
        "date": columns.DATE,
        "rule": Column(pl.String, "", "rule that something fails; empty for the partition as a whole"),
        "level": Column(pl.String, "", "row or partition: what the rule judges"),
        "severity": Column(pl.String, "", "blocking or warning; empty for the partition as a whole"),
        "rows": Column(pl.Int64, "rows", "rows judged"),
        "failed": Column(pl.Int64, "rows", "rows that fail; of a partition rule all rows of the partition"),
        "released": Column(pl.Int64, "rows", "failing rows that go on because a person released them"),
        "held": Column(
            pl.Boolean, "", "the partition is not published: a blocking rule of partitions fails, unreleased"
        ),
        "content": Column(
            pl.String,
            "",
            "content hash of the rows judged, in the partition's row, if a blocking rule of partitions fails",
        ),
        "evidence": Column(pl.String, "", "why, for people: sample rows or the partition's figures, as JSON"),
    },
    key=("exchange", "date", "rule"),
    partition_key=("exchange", "date"),
    stored_by=("exchange",),
)

RELEASES = Table(
    "releases",
    "Rows and partitions that a person let through although they fail a blocking rule: who, why, when.",
    {
        "exchange": columns.EXCHANGE,
        "date": columns.DATE,
        "rule": Column(pl.String, "", "the rule that is waived"),
        "symbol": Column(pl.String, "", "instrument id; empty: the whole partition, of a partition rule"),
        "content": Column(
            pl.String,
            "",
            "hash of the quarantined row's evidence, or content hash of the partition: what was looked at."
            " Other content is judged anew",
        ),
        "since": Column(
            pl.String,
            "",
            "arrival: the rows count as known as they came (history put right); release: known from the"
            " release on",
        ),
        "released_by": Column(pl.String, "", "who answers for it"),
        "why": Column(pl.String, "", "why it is right"),
        "known_at": columns.KNOWN_AT,
    },
    key=("exchange", "date", "rule", "symbol", "content"),
    partition_key=("exchange", "date"),
    stored_by=("exchange",),
)

DRIFT_RESULTS = Table(
    "drift_results",
    "Recent data against a reference window before it, by exchange, asset class, variable and test.",
    {
        "exchange": columns.EXCHANGE,
        "asset_class": columns.ASSET_CLASS,
        "variable": Column(pl.String, "", "return, volume, spread, or <block>.<feature> of the model inputs"),
        "test": Column(pl.String, "", "psi, ks or mmd"),
        "statistic": Column(pl.Float64, "", "the test's statistic"),
        "threshold": Column(pl.Float64, "", "level above which it is drift"),
        "drifted": Column(pl.Boolean, "", "statistic above threshold"),
        "reference_first": Column(pl.Date, "", "first session of the reference window"),
        "reference_last": Column(pl.Date, "", "last session of the reference window"),
        "recent_first": Column(pl.Date, "", "first recent session"),
        "recent_last": Column(pl.Date, "", "last recent session"),
        "reference_rows": Column(pl.Int64, "rows", "observations in the reference window"),
        "recent_rows": Column(pl.Int64, "rows", "recent observations"),
    },
    key=("exchange", "asset_class", "variable", "test"),
    partition_key=("exchange",),
    stored_by=(),
)

AUDIT_RESULTS = Table(
    "audit_results",
    "What look-ahead audits found: each recomputation on truncated history, each check of reads and windows.",
    {
        "asset": Column(pl.String, "", "asset that was audited"),
        "partition": Column(pl.String, "", "its partition, as Dagster writes it; empty if it has none"),
        "audit": Column(pl.String, "", "recompute, publication, reads or windows"),
        "moment": Column(UTC_TIME, "UTC", "history was truncated here; the read's or the window's end"),
        "passed": Column(pl.Boolean, "", "nothing of the future was found"),
        "compared": Column(pl.Int64, "rows", "rows, weights or windows compared"),
        "different": Column(pl.Int64, "rows", "of them different"),
        "finding": Column(pl.String, "", "what differs, where, and what to do; empty if passed"),
    },
    key=("asset", "partition", "audit", "moment"),
    partition_key=("asset", "partition"),
    stored_by=(),
)
