"""The report of one strategy: a single HTML file with everything in it, the verdict on top.

What does not belong here: arithmetic (`backtest/`, `evaluate/`), plots (`charts.py`), where the file goes.
A pure function of its arguments: the same ones give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl
import yaml

from lim_pipelines import drawing
from lim_pipelines.backtest.attribution import contributions, holdings
from lim_pipelines.backtest.decay import ic_decay
from lim_pipelines.backtest.metrics import performance, pooled
from lim_pipelines.backtest.periods import compounded
from lim_pipelines.backtest.result import Result
from lim_pipelines.evaluate.leaderboard import Judgement
from lim_pipelines.finetune.spec import RELATIVE_TASKS
from lim_pipelines.finetune.store import ModelMeta
from lim_pipelines.foundation.evidence import Event
from lim_pipelines.reports import charts, tables
from lim_pipelines.reports.choices import choices
from lim_pipelines.reports.judgements import judgements
from lim_pipelines.reports.luck import length, statistics
from lim_pipelines.reports.page import DASH, Chart, Table, interval, money, number, percent
from lim_pipelines.reports.page import render as fill
from lim_pipelines.strategies.spec import StrategySpec

_PERCENT = ("cagr", "volatility", "max_drawdown", "hit_rate", "cost_per_year")
_COLUMNS = {
    "sharpe": "net Sharpe",
    "gross_sharpe": "gross Sharpe",
    "cagr": "CAGR",
    "volatility": "volatility",
    "max_drawdown": "max drawdown",
    "sortino": "Sortino",
    "hit_rate": "hit rate",
    "turnover_per_year": "turnover a year",
    "cost_per_year": "costs a year",
    "average_gross": "average gross",
    "rank_ic": "rank IC",
}
_ABOUT_IC = {
    False: "IC: correlation (rank IC: Spearman's) over time of forecast and realised return, mean over"
    " instruments; labels of neighbouring decisions overlap.",
    True: "IC: mean over decisions of the correlation (rank IC: Spearman's) across instruments; ICIR: that"
    " mean over its standard deviation, not annualised.",
}


@dataclass(frozen=True)
class Backtested:
    """What a report is about.

    Parameters
    ----------
    spec
        The strategy.
    judgement
        What is to be said of it.
    result
        Of the engine, recorded.
    scores, targets
        Rows of `SCORES` and `TARGETS` of the strategy.
    bars
        Bars of its universe, as far as they reach.
    models
        Meta of the models that decided, by cutoff.
    capacity
        Of the method, in the base currency (`backtest/capacity.py`).
    provenance
        Further (name, value) rows on where the numbers come from, such as the lake's versions.
    judged
        Decisions on the retrained models, oldest first.
    modalities
        Rows of `evaluate.ablation.by_modality`.
    tests
        Tests of the strategy that have a page beside it: file by name.
    """

    spec: StrategySpec
    judgement: Judgement
    result: Result
    scores: pl.DataFrame
    targets: pl.DataFrame
    bars: pl.DataFrame
    models: Mapping[date, ModelMeta]
    capacity: float
    provenance: Sequence[tuple[str, str]]
    judged: Sequence[Event] = ()
    modalities: Sequence[Mapping[str, Any]] = ()
    tests: Mapping[str, str] = field(default_factory=dict)


def render(of: Backtested) -> str:
    """Write the page.

    Parameters
    ----------
    of
        What it is about.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    spec, result = of.spec, of.result
    record = pooled(result.daily, spec.method)
    held = holdings(result, spec.method, of.bars)
    means = _means(of.scores, spec.method)
    plots = {
        "equity": charts.equity(result.daily, spec.arms),
        "drawdown": charts.drawdown(record),
    }
    sections = {
        "costs": tables.costs(
            record, performance(record)["break_even_bps"], of.capacity, spec.execution.currency
        )
    }
    if held.height:
        shares, more = _attribution(held, record)
        made = result.trades.filter(pl.col("arm") == spec.method)
        sections |= shares | {"trades": tables.trades(made, spec.execution.currency)}
        plots |= more | {"costs": charts.costs(record)}
    faded = ic_decay(spec.task, spec.method, of.targets, of.bars)
    if faded.height:
        plots["decay"] = charts.decay(faded, spec.horizon)
        sections["forecasts"] = tables.forecasts(means, _ABOUT_IC[spec.task in RELATIVE_TASKS])
    chosen, about_chosen = choices(spec, of.targets, of.models)
    return fill(
        "strategy.html.j2",
        f"{spec.name}: walk-forward backtest" + (" (SIMULATED)" if spec.simulated else ""),
        plots,
        name=spec.name,
        description=" ".join(spec.description.split()),
        simulated=spec.simulated,
        verdict=of.judgement.verdict,
        facts=_facts(of, means),
        first=record["date"].min(),
        last=record["date"].max(),
        method=spec.method,
        fills=_fills(spec),
        seeds=drawing.counted(len(spec.arm_seeds(spec.method)), "seed"),
        columns=list(_COLUMNS.values()),
        arms=[_arm(of.scores, arm) for arm in spec.arms],
        months=tables.months(record),
        sections=sections
        | {
            "falls": tables.falls(record),
            "statistics": statistics(of.judgement),
            "years": tables.years(record),
            "weathers": tables.weathers(record, of.bars),
        },
        cutoffs=_cutoffs(spec, record, of.targets, of.models),
        choices=chosen,
        about_choices=about_chosen,
        judgements=judgements(of.judged),
        modalities=[_modality(row) for row in of.modalities],
        tests=of.tests,
        stale=", ".join(result.stale),
        assets=_assets(spec),
        provenance=[("specification", spec.digest()), *of.provenance],
        spec=yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
    )


def _attribution(held: pl.DataFrame, record: pl.DataFrame) -> tuple[dict[str, Table], dict[str, Chart]]:
    """Say who earned it: tables and plots by name."""
    about = "Before costs, fractions of the capital; Sharpe ratios of what each adds, over all sessions."
    sections = {
        by: tables.contributors(contributions(held, by, record.height), by, head, note)
        for by, head, note in (("exchange", "exchange", ""), ("side", "side, held overnight", about))
    }
    return sections, {
        "exposures": charts.exposures(record),
        "positions": charts.positions(held, record["date"]),
        "earners": charts.earners(contributions(held, "instrument_id", record.height)),
    }


def _fills(spec: StrategySpec) -> str:
    after = "the session" if spec.execution.delay == 1 else f"{spec.execution.delay} sessions"
    return f"the {spec.execution.fill} of {after} after the decision"


def _assets(spec: StrategySpec) -> list[str]:
    """Name the assets that the numbers come from, the nearest first."""
    own = [f"{spec.name}_{part}" for part in ("backtest", "targets", "model")]
    inputs = ["model_inputs"] if spec.features else []
    return [*own, spec.foundation, *inputs, "validated_bars", "leaderboard"]


def _number(value: float | None, metric: str) -> str:
    if metric in _PERCENT:
        return percent(value)
    return number(value, 3 if metric == "rank_ic" else 2)


def _facts(of: Backtested, means: Mapping[str, float | None]) -> list[dict[str, str]]:
    said, luck = of.judgement, of.judgement.luck
    shown = (
        ("Sharpe ratio, net", number(said.net_sharpe)),
        ("95 % interval (bootstrap)", interval(said.low, said.high)),
        (f"deflated Sharpe, {drawing.counted(luck.trials, 'trial')}", percent(luck.deflated, 0)),
        ("sessions needed, all trials counted", length(luck.sessions_needed_deflated)),
        ("CAGR, net", percent(said.cagr)),
        ("largest drawdown, mean of seeds", percent(means.get("max_drawdown"))),
        ("turnover a year, times equity", number(means.get("turnover_per_year"))),
        ("costs a year", percent(means.get("cost_per_year"), 2)),
        ("break-even cost, bps of trades", number(means.get("break_even_bps"), 1)),
        (_about_capacity(of.capacity), money(of.capacity, of.spec.execution.currency)),
    )
    return [{"name": name, "value": value} for name, value in shown]


def _about_capacity(capacity: float) -> str:
    return "capacity" if math.isfinite(capacity) else "capacity: it traded nothing whose volume is known"


def _means(scores: pl.DataFrame, arm: str) -> dict[str, float | None]:
    rows = scores.filter(pl.col("arm") == arm).group_by("metric").agg(pl.col("value").mean())
    return dict(rows.iter_rows())


def _arm(scores: pl.DataFrame, arm: str) -> dict[str, Any]:
    own = scores.filter(pl.col("arm") == arm)
    cells = []
    for metric in _COLUMNS:
        values = own.filter(pl.col("metric") == metric)["value"].drop_nulls().to_list()
        mean = sum(values) / len(values) if values else None
        spread = f"{_number(min(values), metric)} … {_number(max(values), metric)}" if len(values) > 1 else ""
        cells.append({"mean": _number(mean, metric), "range": spread})
    return {"name": arm, "seeds": drawing.counted(own["seed"].n_unique(), "seed"), "cells": cells}


def _modality(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": row["modality"],
        "features": row["features"],
        "gain": number(row["gain"]),
        "interval": interval(row["low"], row["high"]),
        "rank_ic": f"{_number(row['rank_ic'], 'rank_ic')} / {_number(row['rank_ic_without'], 'rank_ic')}",
        "sharpe": f"{number(row['sharpe'])} / {number(row['sharpe_without'])}",
    }


def _cutoffs(
    spec: StrategySpec, record: pl.DataFrame, targets: pl.DataFrame, models: Mapping[date, ModelMeta]
) -> list[dict[str, str]]:
    decided = dict(targets.group_by("cutoff").agg(pl.col("date").n_unique()).iter_rows())
    rows = []
    for cutoff in sorted(decided):
        month = record.filter(
            (pl.col("date").dt.year() == cutoff.year) & (pl.col("date").dt.month() == cutoff.month)
        )
        net, gross = month.select(compounded("net_return"), compounded("gross_return")).row(0)
        meta = models.get(cutoff)
        r2 = [a.metrics.get("validation_r2") for a in meta.arms if a.arm == spec.method] if meta else []
        known = [value for value in r2 if value is not None]
        rows.append(
            {
                "cutoff": cutoff.isoformat(),
                "decisions": str(decided[cutoff]),
                "net": f"{net:+.2%}",
                "gross": f"{gross:+.2%}",
                "fitted": " … ".join(meta.windows["fit"]) if meta else DASH,
                "validated": " … ".join(meta.windows["validation"]) if meta else DASH,
                "r2": f"{sum(known) / len(known):+.4f}" if known else DASH,
                "trained": meta.cutoff.isoformat() if meta else DASH,
                "digest": meta.input_digest[:16] if meta else DASH,
                "parent": meta.parent[:16] if meta else DASH,
            }
        )
    return rows
