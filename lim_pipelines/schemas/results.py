"""What strategies decide and earn.

What does not belong here: what they read (`bars.py`, `inputs.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import UTC_TIME, Column, Table

TARGETS = Table(
    "targets",
    "Target weights decided by a strategy's arms, one row an instrument and decision.",
    {
        "strategy": columns.STRATEGY,
        "cutoff": columns.CUTOFF,
        "spec_digest": Column(pl.String, "", "content hash of the strategy's specification"),
        "model_digest": Column(pl.String, "", "digest of the models that decided"),
        "arm": columns.ARM,
        "seed": columns.SEED,
        "date": Column(pl.Date, "", "session whose close is the last input of the decision"),
        "decided_at": Column(UTC_TIME, "UTC", "when the decision could be taken: all its inputs were known"),
        "exchange": columns.EXCHANGE,
        "instrument_id": columns.INSTRUMENT,
        "forecast": Column(
            pl.Float64,
            "log return",
            "forecast over the strategy's horizon; null where models said nothing, or say positions",
            nullable=True,
        ),
        "weight": Column(pl.Float64, "fraction of equity", "target weight, negative for short"),
    },
    key=("strategy", "cutoff", "arm", "seed", "date", "exchange", "instrument_id"),
    partition_key=("strategy", "cutoff"),
    stored_by=("strategy",),
)


def _part(description: str) -> Column:
    return Column(pl.Float64, "fraction of equity", description, default=0.0)


BACKTEST_DAILY = Table(
    "backtest_daily",
    "Daily results of every arm, net of costs with the gross figure beside.",
    {
        "strategy": columns.STRATEGY,
        "arm": columns.ARM,
        "seed": columns.SEED,
        "date": Column(pl.Date, "", "session on which the result was earned"),
        "gross_return": Column(pl.Float64, "fraction of equity", "return before costs"),
        "commission": _part("commission of trades"),
        "spread": _part("half the bid-ask spread, and prices rounded to ticks"),
        "tax": _part("stamp duty and transaction tax"),
        "impact": _part("what trades move the price"),
        "borrow": _part("fees for what is held short"),
        "financing": _part("interest on owed cash; negative where cash earns"),
        "cost": Column(pl.Float64, "fraction of equity", "sum of commission, ..., financing"),
        "net_return": Column(pl.Float64, "fraction of equity", "return after costs"),
        "turnover": Column(pl.Float64, "fraction of equity", "sum of absolute weight changes traded"),
        "gross_exposure": Column(pl.Float64, "fraction of equity", "sum of absolute weights held"),
        "net_exposure": Column(pl.Float64, "fraction of equity", "sum of weights held"),
    },
    key=("strategy", "arm", "seed", "date"),
    partition_key=("strategy",),
    stored_by=("strategy",),
)

SCORES = Table(
    "scores",
    "Metrics of every arm and seed of a strategy, long format; the leaderboard reads it.",
    {
        "strategy": columns.STRATEGY,
        "arm": columns.ARM,
        "seed": columns.SEED,
        "metric": Column(pl.String, "", "the field's name of the metric"),
        "value": Column(pl.Float64, "the metric's unit", "value", nullable=True),
    },
    key=("strategy", "arm", "seed", "metric"),
    partition_key=("strategy",),
    stored_by=("strategy",),
)

TRIALS = Table(
    "trials",
    "The trial ledger: every strategy specification ever backtested, per arm and seed.",
    {
        "strategy": columns.STRATEGY,
        "spec_digest": Column(pl.String, "", "content hash of the strategy's specification"),
        "simulated": Column(pl.Boolean, "", "whether its market is simulated; real trials count apart"),
        "arm": columns.ARM,
        "seed": columns.SEED,
        "sharpe_per_day": Column(
            pl.Float64, "1/sqrt(day)", "net Sharpe ratio of daily returns, not annualised"
        ),
        "days": Column(pl.Int64, "days", "length of the out-of-sample record"),
    },
    key=("strategy", "spec_digest", "arm", "seed"),
    partition_key=("strategy", "spec_digest"),
    stored_by=("strategy",),
)

TRIAL_RETURNS = Table(
    "trial_returns",
    "The trial ledger's daily records: what statistics of many trials at once are computed from.",
    {
        "strategy": columns.STRATEGY,
        "spec_digest": Column(pl.String, "", "content hash of the strategy's specification"),
        "arm": columns.ARM,
        "seed": columns.SEED,
        "date": Column(pl.Date, "", "session on which the result was earned"),
        "net_return": Column(pl.Float64, "fraction of equity", "return after costs"),
    },
    key=("strategy", "spec_digest", "arm", "seed", "date"),
    partition_key=("strategy", "spec_digest"),
    stored_by=("strategy",),
)
