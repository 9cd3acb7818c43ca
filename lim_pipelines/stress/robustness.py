"""Robustness of one strategy: its record in every scenario, beside the record as it is.

Nothing is chosen by these runs, so none is entered in the trial ledger. What does not belong here: what the
scenarios are and do (the other files of this room), words (`verdict.py`), the page (`reports/robustness.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines import drawing, walkforward
from lim_pipelines.backtest.facts import read_facts
from lim_pipelines.backtest.metrics import performance, pooled
from lim_pipelines.evaluate.seeds import Estimate
from lim_pipelines.lake import LATEST, Commit, Lake, next_cutoff, scope_of
from lim_pipelines.portfolio.complete import refuse_stale
from lim_pipelines.reports import robustness as report
from lim_pipelines.reports.robustness_charts import figure
from lim_pipelines.schemas import BACKTEST_DAILY, ROBUSTNESS, TARGETS, VALIDATED_BARS, Table
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress.again import Again
from lim_pipelines.stress.compare import alone, inside, paired
from lim_pipelines.stress.costed import costed
from lim_pipelines.stress.histories import Histories, histories
from lim_pipelines.stress.markets import Span, crises, weathers
from lim_pipelines.stress.runs import Market, Run, aligned, of_costs, of_decisions
from lim_pipelines.stress.scenarios import HISTORIES, Scenario
from lim_pipelines.stress.settings import varied
from lim_pipelines.stress.verdict import of_difference, of_strategy

QUANTILES = (0.05, 0.5, 0.95)


class NoBacktestError(RuntimeError):
    """A strategy has no record to be tested."""


@dataclass(frozen=True)
class Robustness:
    """What was found of one strategy.

    Parameters
    ----------
    commit
        What the write of `ROBUSTNESS` did.
    verdict
        In plain words.
    page
        The HTML page.
    png
        Net Sharpe ratios by scenario, for the asset's metadata.
    """

    commit: Commit
    verdict: str
    page: Path
    png: bytes


def publish(
    lake: Lake,
    models: Path,
    reports: Path,
    spec: StrategySpec,
    cutoffs: int,
    seeds: int,
) -> Robustness:
    """Ask all scenarios of a strategy, write the table and the page.

    Parameters
    ----------
    lake, models
        Where bars, inputs, targets, results and models lie.
    reports
        Folder of HTML reports.
    spec
        The strategy.
    cutoffs, seeds
        Newest cutoffs, and first seeds of the method, whose decisions are taken again where a scenario
        changes what they know or how they are sized; the plain run beside them is of the same.

    Raises
    ------
    NoBacktestError
        There is no backtest.
    MissingTargetsError
        Targets are of another specification than the current one, or those of the newest cutoffs of other
        models than the ones in use.
    MissingModelError, ChampionError
        Models of the newest cutoffs are gone.
    """
    own = pl.col("strategy") == spec.name
    daily, targets = _read(lake, BACKTEST_DAILY, own), _read(lake, TARGETS, own)
    if daily.is_empty():
        raise NoBacktestError(
            f"strategy {spec.name}: nothing in {BACKTEST_DAILY.name}; materialise {spec.name}_backtest first"
        )
    refuse_stale(spec, targets)
    record = pooled(daily, spec.method)
    through = next_cutoff(max(targets["cutoff"].to_list())) - timedelta(days=1)
    bars = _read(lake, VALIDATED_BARS, walkforward.universe(spec) & (pl.col("date") <= through))
    targets = targets.filter(pl.col("arm") == spec.method)
    market = Market(spec, targets, bars, through, read_facts(lake, bars, spec.execution.currency))
    newest = targets["cutoff"].unique().sort().tail(cutoffs).to_list()
    again = Again(lake, models, spec, newest, seeds)

    spans, outside = crises(record["date"], bars, spec.simulated)
    spans += weathers(record["date"], bars)
    dearer, not_costed = costed(spec, bars)
    other, not_varied = varied(spec)
    costs, not_filled = of_costs(market, dearer)
    decided, not_decided = of_decisions(market, again, other)
    might = histories(record["net_return"].to_numpy())
    rows = [
        *(_within(spec, record, span) for span in spans),
        *(_row(spec, aligned(run)) for run in (*costs, *decided)),
        *_histories(spec, record, might),
    ]
    table = pl.DataFrame(rows, schema=ROBUSTNESS.schema, orient="row").with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )
    scope = scope_of({"strategy": [spec.name]})
    commit = lake.write(ROBUSTNESS, table, scope)
    plain = performance(record)["sharpe"]
    left_out = [*outside, *not_costed, *not_filled, *not_decided, *not_varied]
    verdict = of_strategy(table, plain, record.height, might.loss, spec.simulated)
    asked = [*(span.scenario for span in spans), *(run.scenario for run in (*costs, *decided))]
    page = report.Stressed(
        spec=spec,
        verdict=verdict,
        rows=table,
        reasons={one.name: one.reason for one in asked},
        left_out=[(one.family, one.name, one.why) for one in left_out],
        record=record,
        costed={run.scenario.name: aligned(run).record for run in costs},
        sharpes=might.sharpe,
        drawdowns=might.max_drawdown,
        loss=might.loss,
        cutoffs=[day.isoformat() for day in again.cutoffs],
        seeds=len(again.books),
    )
    path = reports / f"robustness-{spec.name}.html"
    drawing.write_page(path, report.page(page, reports))
    return Robustness(commit, verdict, path, drawing.png(figure(table.filter(pl.col("family") != HISTORIES))))


def _row(spec: StrategySpec, run: Run) -> tuple[object, ...]:
    net, plain = run.record["net_return"].to_numpy(), run.plain["net_return"].to_numpy()
    own, gap = alone(net), paired(net, plain)
    return _cells(spec, run.scenario, run.record, own, own.value - gap.value, gap, len(net))


def _within(spec: StrategySpec, record: pl.DataFrame, span: Span) -> tuple[object, ...]:
    """Row of some sessions of the record, beside all others of it."""
    days = record["date"].is_in(span.days.implode())
    part = record.filter(days)
    gap = inside(record["net_return"].to_numpy(), days.to_numpy())
    own = alone(part["net_return"].to_numpy())
    fewer = min(part.height, record.height - part.height)
    return _cells(spec, span.scenario, part, own, own.value - gap.value, gap, fewer)


def _cells(
    spec: StrategySpec,
    scenario: Scenario,
    record: pl.DataFrame,
    own: Estimate,
    plain: float,
    gap: Estimate,
    sessions: int,
) -> tuple[object, ...]:
    figures = performance(record)
    said = of_difference(own.value, plain, gap, sessions)
    return (
        *(spec.name, scenario.family, scenario.name, spec.method, record.height),
        *(own.value, own.low, own.high),
        *(figures[name] for name in ("cagr", "max_drawdown", "turnover_per_year")),
        *(plain, gap.value, gap.low, gap.high, said),
    )


def _histories(spec: StrategySpec, record: pl.DataFrame, might: Histories) -> Iterator[tuple[object, ...]]:
    """Rows of the quantiles of each figure, which are not of one and the same history."""
    plain = performance(record)["sharpe"]
    for at in QUANTILES:
        sharpe, cagr, fall = (
            float(np.nanquantile(values, at)) if np.isfinite(values).any() else float("nan")
            for values in (might.sharpe, might.cagr, might.max_drawdown)
        )
        name = "median" if at == 0.5 else f"{100 * at:.0f} % are worse"
        nothing = (None, None)
        yield (
            *(spec.name, HISTORIES, name, spec.method, record.height),
            *(sharpe, *nothing, cagr, fall, None, plain, sharpe - plain, *nothing, "a quantile"),
        )


def _read(lake: Lake, table: Table, where: pl.Expr) -> pl.DataFrame:
    return lake.read(table, as_of=LATEST, where=where).sort(table.key).collect()
