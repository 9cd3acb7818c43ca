"""The report of one strategy: a single HTML file with everything in it, the verdict on top.

What does not belong here: arithmetic (`metrics.py`, `evaluate/`), plots (`plots.py`), where the file goes.
A pure function of its arguments: the same ones give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

import polars as pl
import yaml

from lim_pipelines import drawing
from lim_pipelines.backtest import plots
from lim_pipelines.backtest.choices import choices
from lim_pipelines.backtest.judgements import judgements
from lim_pipelines.backtest.metrics import pooled
from lim_pipelines.finetune.spec import RELATIVE_TASKS
from lim_pipelines.finetune.store import ModelMeta
from lim_pipelines.foundation.evidence import Event
from lim_pipelines.strategies.spec import StrategySpec

DASH = "–"

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
_IC_OVER_TIME = (
    "Rank IC: Spearman correlation over time of forecast and realised return; labels of neighbouring"
    " decisions overlap."
)
_IC_ACROSS = "Rank IC: mean over decisions of the Spearman correlation across instruments."


@dataclass(frozen=True)
class Verdict:
    """What the report says first; `evaluate/leaderboard.py` makes it.

    Parameters
    ----------
    words
        In plain words.
    net_sharpe, low, high
        Annualised, net, with its bootstrap interval.
    deflated, trials
        Deflated Sharpe ratio, and the trials it counts.
    """

    words: str
    net_sharpe: float
    low: float
    high: float
    deflated: float
    trials: int


def render(
    spec: StrategySpec,
    verdict: Verdict,
    daily: pl.DataFrame,
    scores: pl.DataFrame,
    targets: pl.DataFrame,
    positions: pl.DataFrame,
    models: Mapping[date, ModelMeta],
    provenance: Sequence[tuple[str, str]],
    judged: Sequence[Event] = (),
    modalities: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the page.

    Parameters
    ----------
    spec
        The strategy.
    verdict
        What to say first.
    daily, scores, targets
        Rows of `BACKTEST_DAILY`, `SCORES` and `TARGETS` of the strategy.
    positions
        As in `engine.Result`.
    models
        Meta of the models that decided, by cutoff.
    provenance
        Further (name, value) rows on where the numbers come from, such as the lake's versions.
    judged
        Decisions on the retrained models, oldest first.
    modalities
        Rows of `evaluate.ablation.by_modality`.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    record = pooled(daily, spec.method)
    template = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    figures = {
        "equity": plots.equity_figure(daily, spec.arms),
        "drawdown": plots.drawdown_figure(daily, spec.method),
    }
    held = positions.filter(pl.col("arm") == spec.method)
    if held.height:
        figures["positions"] = plots.positions_figure(held, record["date"], spec.method)
    chosen, about_chosen = choices(spec, targets, models)
    html: str = (
        drawing.environment()
        .from_string(template)
        .render(
            style=drawing.style(),
            title=f"{spec.name}: walk-forward backtest" + (" (SIMULATED)" if spec.simulated else ""),
            name=spec.name,
            description=" ".join(spec.description.split()),
            simulated=spec.simulated,
            verdict=verdict.words,
            facts=_facts(verdict, scores, spec.method),
            first=record["date"].min(),
            last=record["date"].max(),
            method=spec.method,
            seeds=drawing.counted(len(spec.arm_seeds(spec.method)), "seed"),
            columns=list(_COLUMNS.values()),
            arms=[_arm(scores, arm) for arm in spec.arms],
            ic_note=_IC_ACROSS if spec.task in RELATIVE_TASKS else _IC_OVER_TIME,
            cutoffs=_cutoffs(spec, record, targets, models),
            choices=chosen,
            about_choices=about_chosen,
            judgements=judgements(judged),
            modalities=[_modality(row) for row in modalities],
            provenance=[("specification", spec.digest()), *provenance],
            spec=yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
            **{name: drawing.svg(figure, name) for name, figure in figures.items()},
        )
    )
    return html


def _number(value: float | None, metric: str = "") -> str:
    if value is None or value != value:
        return DASH
    if metric in _PERCENT:
        return f"{value:.1%}"
    return f"{value:.3f}" if metric == "rank_ic" else f"{value:.2f}"


def _interval(low: float, high: float) -> str:
    return DASH if low != low else f"{_number(low)} to {_number(high)}"


def _facts(verdict: Verdict, scores: pl.DataFrame, method: str) -> list[dict[str, str]]:
    mean = _means(scores, method)
    return [
        {"name": "Sharpe ratio, net", "value": _number(verdict.net_sharpe)},
        {"name": "95 % interval (bootstrap)", "value": _interval(verdict.low, verdict.high)},
        {
            "name": f"deflated Sharpe, {drawing.counted(verdict.trials, 'trial')}",
            "value": _probability(verdict.deflated),
        },
        {
            "name": "largest drawdown, mean of seeds",
            "value": _number(mean.get("max_drawdown"), "max_drawdown"),
        },
        {"name": "turnover a year, times equity", "value": _number(mean.get("turnover_per_year"))},
        {"name": "costs a year", "value": _number(mean.get("cost_per_year"), "cost_per_year")},
    ]


def _probability(value: float) -> str:
    return DASH if value != value else f"{value:.0%}"


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
        "gain": _number(row["gain"]),
        "interval": _interval(row["low"], row["high"]),
        "rank_ic": f"{_number(row['rank_ic'], 'rank_ic')} / {_number(row['rank_ic_without'], 'rank_ic')}",
        "sharpe": f"{_number(row['sharpe'])} / {_number(row['sharpe_without'])}",
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
        meta = models.get(cutoff)
        r2 = [a.metrics.get("validation_r2") for a in meta.arms if a.arm == spec.method] if meta else []
        known = [value for value in r2 if value is not None]
        rows.append(
            {
                "cutoff": cutoff.isoformat(),
                "decisions": str(decided[cutoff]),
                "net": f"{_compound(month['net_return']):+.2%}",
                "gross": f"{_compound(month['gross_return']):+.2%}",
                "fitted": " … ".join(meta.windows["fit"]) if meta else DASH,
                "validated": " … ".join(meta.windows["validation"]) if meta else DASH,
                "r2": f"{sum(known) / len(known):+.4f}" if known else DASH,
                "trained": meta.cutoff.isoformat() if meta else DASH,
                "digest": meta.input_digest[:16] if meta else DASH,
                "parent": meta.parent[:16] if meta else DASH,
            }
        )
    return rows


def _compound(returns: pl.Series) -> float:
    total = 1.0
    for value in returns:
        total *= 1.0 + value
    return total - 1.0
