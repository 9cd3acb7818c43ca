"""What strategy models read beside quotes: inputs by modality, joined as of each decision.

What does not belong here: where the inputs come from (`macro.py`, `alternative.py`), quotes (`bars.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import UTC_TIME, Column, Table

_BLOCK = Column(pl.String, "", "group of inputs in `lim_pipelines/inputs`: macro, fundamentals, text, ...")

MODEL_INPUTS = Table(
    "model_inputs",
    "Inputs of one instrument at one session, as they were known when the decision could be taken.",
    {
        "exchange": columns.EXCHANGE,
        "date": columns.DATE,
        "instrument_id": columns.INSTRUMENT,
        "block": _BLOCK,
        "values": Column(
            pl.List(pl.Float64), "as the block says", "one number a feature, NaN where nothing is known"
        ),
        "scaled": Column(
            pl.List(pl.Float64), "", "the same on a common scale, fitted on what was known; see input_scales"
        ),
        "newest": Column(
            UTC_TIME, "UTC", "`known_at` of the newest fact in it; null without facts", nullable=True
        ),
        "spec": Column(pl.String, "", "digest of the block's definition and of the encoder it uses"),
        "known_at": Column(UTC_TIME, "UTC", "moment of the decision: close plus the exchange's decision lag"),
    },
    key=("exchange", "date", "instrument_id", "block"),
    partition_key=("exchange", "date"),
    stored_by=("exchange", "block"),
)

INPUT_SCALES = Table(
    "input_scales",
    "The fitted numbers behind `scaled` of model_inputs, and what they were fitted on.",
    {
        "exchange": columns.EXCHANGE,
        "date": columns.DATE,
        "block": _BLOCK,
        "feature": Column(pl.String, "", "name of the feature in the block"),
        "method": Column(pl.String, "", "how it is scaled: zscore, robust, rank, ..."),
        "location": Column(pl.Float64, "as the feature", "what is subtracted", nullable=True),
        "scale": Column(pl.Float64, "as the feature", "what it is divided by", nullable=True),
        "fitted_on": Column(pl.Int64, "values", "how many values it was fitted on"),
        "fitted_first": Column(UTC_TIME, "UTC", "earliest moment of them", nullable=True),
        "fitted_last": Column(UTC_TIME, "UTC", "latest moment of them", nullable=True),
        "known_at": columns.KNOWN_AT,
    },
    key=("exchange", "date", "block", "feature"),
    partition_key=("exchange", "date"),
    stored_by=("exchange", "block"),
)
