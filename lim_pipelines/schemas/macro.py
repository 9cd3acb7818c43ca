"""Macro series, with publication times and revisions.

What does not belong here: facts about companies (`alternative.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import UTC_TIME, Column, Table

_MACRO = {
    "series_id": Column(pl.String, "", "name of the series in `lim_pipelines.sources.macro`"),
    "ts": Column(UTC_TIME, "UTC", "end of the period that the value describes"),
    "value": Column(pl.Float64, "the series' unit", "value as published"),
    "unit": Column(pl.String, "", "unit of the value"),
    "source": columns.SOURCE,
    "file": columns.FILE,
    "line": columns.LINE,
    "known_at": Column(
        UTC_TIME, "UTC", "release time, or period end plus the series' stated publication lag"
    ),
}


def _macro(name: str, description: str) -> Table:
    return Table(
        name,
        description,
        _MACRO,
        key=("series_id", "ts"),
        partition_key=("series_id",),
        stored_by=("series_id",),
    )


RAW_MACRO = _macro("raw_macro", "Macro series as the vendor ships them, with publication times.")
ALIGNED_MACRO = _macro("aligned_macro", "Macro series on period ends in UTC, duplicates resolved.")
VALIDATED_MACRO = _macro("validated_macro", "Macro series that pass every blocking rule.")
