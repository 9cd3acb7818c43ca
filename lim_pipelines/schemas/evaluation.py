"""What the three tests found: effectiveness, universality, robustness.

What does not belong here: what strategies decide and earn (`results.py`). No test chooses anything: nothing
of these tables is entered in the trial ledger, and no decision reads them.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import Column, Table

EFFECTIVENESS = Table(
    "effectiveness",
    "Does it work, year after year, net, beyond luck and beyond the simple rule: figures of every arm.",
    {
        "strategy": columns.STRATEGY,
        "arm": columns.ARM,
        "period": Column(pl.String, "", "a calendar year, or all: the whole record"),
        "metric": Column(pl.String, "", "the field's name of the metric; an interval's ends are two of them"),
        "value": Column(pl.Float64, "the metric's unit", "value", nullable=True),
    },
    key=("strategy", "arm", "period", "metric"),
    partition_key=("strategy",),
    stored_by=("strategy",),
)

UNIVERSALITY = Table(
    "universality",
    "Does it hold elsewhere: skill by exchange, class and frequency, and whether the model ever saw them.",
    {
        "subject": Column(pl.String, "", "family of checkpoints, or strategy, that is asked"),
        "simulated": Column(pl.Boolean, "", "whether its market is simulated"),
        "exchange": columns.EXCHANGE,
        "asset_class": columns.ASSET_CLASS,
        "freq": columns.FREQ,
        "shown": Column(
            pl.String,
            "",
            "seen, or what its training never saw: new frequency, new exchange, new asset class or new"
            " instrument",
        ),
        "shot": Column(
            pl.String,
            "",
            "full: trained on it; zero: asked as it is about what it never saw; few: a few steps on the last"
            " windows before the cutoff",
        ),
        "target": Column(pl.String, "", "return, volatility or volume of the horizon; rank_ic of forecasts"),
        "against": Column(pl.String, "", "the naive forecast beside it; zero for a rank IC"),
        "windows": Column(pl.Int64, "windows", "judged, all after the cutoff"),
        "skill": Column(
            pl.Float64, "fraction", "1 - CRPS / CRPS of the naive forecast, or the rank IC", nullable=True
        ),
        "low": Column(pl.Float64, "fraction", "lower end of its 95 % interval", nullable=True),
        "high": Column(pl.Float64, "fraction", "upper end of it", nullable=True),
        "cutoff": columns.CUTOFF,
    },
    key=("subject", "exchange", "asset_class", "freq", "shown", "shot", "target", "against"),
    partition_key=("subject",),
    stored_by=("subject",),
)

_SHARPE = "1/sqrt(year)"

ROBUSTNESS = Table(
    "robustness",
    "Does it hold when things are not as they were: a strategy's method in every scenario, beside the plain"
    " run.",
    {
        "strategy": columns.STRATEGY,
        "family": Column(
            pl.String,
            "",
            "crisis windows, regimes, costs and fills, worse data, portfolio settings, resampled histories",
        ),
        "scenario": Column(pl.String, "", "what is otherwise"),
        "arm": columns.ARM,
        "sessions": Column(pl.Int64, "sessions", "of the record; the plain run's beside it are the same"),
        "net_sharpe": Column(
            pl.Float64, _SHARPE, "Sharpe ratio after costs; of histories its quantile", nullable=True
        ),
        "low": Column(pl.Float64, _SHARPE, "lower end of its 95 % interval", nullable=True),
        "high": Column(pl.Float64, _SHARPE, "upper end of it", nullable=True),
        "cagr": Column(pl.Float64, "fraction a year", "growth after costs", nullable=True),
        "max_drawdown": Column(pl.Float64, "fraction", "largest loss from a peak, at most 0", nullable=True),
        "turnover_per_year": Column(pl.Float64, "times equity", "value traded a year", nullable=True),
        "plain_sharpe": Column(
            pl.Float64,
            _SHARPE,
            "that of the plain run on the same sessions; of crises and regimes that of all other sessions",
            nullable=True,
        ),
        "difference": Column(pl.Float64, _SHARPE, "net_sharpe - plain_sharpe", nullable=True),
        "difference_low": Column(pl.Float64, _SHARPE, "lower end of its 95 % interval", nullable=True),
        "difference_high": Column(pl.Float64, _SHARPE, "upper end of it", nullable=True),
        "verdict": Column(
            pl.String,
            "",
            "worse, better, nothing measurable, no change, nothing held or too short; loses money",
        ),
    },
    key=("strategy", "family", "scenario", "arm"),
    partition_key=("strategy",),
    stored_by=("strategy",),
)
