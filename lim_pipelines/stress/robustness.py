"""Robustness of one strategy: its record in every scenario, beside the record as it is.

Nothing is chosen by these runs, so none is entered in the trial ledger. What does not belong here: what the
scenarios are and do (the other files of this room), words (`verdict.py`), the page (`reports/robustness.py`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines import drawing, walkforward
from lim_pipelines.backtest.facts import Facts, read_facts
from lim_pipelines.backtest.metrics import performance, pooled
from lim_pipelines.evaluate.seeds import Estimate
from lim_pipelines.lake import LATEST, Commit, Lake, next_cutoff, scope_of
from lim_pipelines.portfolio.complete import refuse_stale
from lim_pipelines.reports import robustness as report
from lim_pipelines.schemas import BACKTEST_DAILY, ROBUSTNESS, TARGETS, VALIDATED_BARS, Table
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress.again import Again, World, waiting, worlds
from lim_pipelines.stress.compare import alone, inside, paired
from lim_pipelines.stress.costed import Variant, costed
from lim_pipelines.stress.histories import Histories, histories
from lim_pipelines.stress.markets import Span, crises, weathers
from lim_pipelines.stress.scenarios import HISTORIES, LeftOut, Scenario
from lim_pipelines.stress.settings import varied
from lim_pipelines.stress.verdict import BETTER, WORSE, of_difference, of_strategy

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


@dataclass(frozen=True)
class Run:
    """A record in a scenario, beside the plain one of the same sessions.

    Parameters
    ----------
    scenario
        What is otherwise.
    record, plain
        Columns as from `metrics.pooled`, the same dates.
    """

    scenario: Scenario
    record: pl.DataFrame
    plain: pl.DataFrame


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
        Targets are of another specification than the current one.
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
    market = _Market(spec, targets, bars, through, read_facts(lake, bars, spec.execution.currency))
    newest = targets["cutoff"].unique().sort().tail(cutoffs).to_list()
    again = Again(lake, models, spec, newest, seeds)

    spans, outside = crises(record["date"], bars, spec.simulated)
    spans += weathers(record["date"], bars)
    dearer, not_costed = costed(spec, bars)
    other, not_varied = varied(spec)
    costs = [Run(one.scenario, market.traded(one.spec, targets), record) for one in dearer]
    decided = list(_decided(market, again, other))
    might = histories(record["net_return"].to_numpy())
    rows = [
        *(_within(spec, record, span) for span in spans),
        *(_row(spec, _aligned(run)) for run in (*costs, *decided)),
        *_histories(spec, record, might),
    ]
    table = pl.DataFrame(rows, schema=ROBUSTNESS.schema, orient="row").with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )
    scope = scope_of({"strategy": [spec.name]})
    commit = lake.write(ROBUSTNESS, table, scope)
    plain = performance(record)["sharpe"]
    left_out = [*outside, *not_costed, *_mild([run.scenario.name for run in decided], spec), *not_varied]
    verdict = of_strategy(table, plain, might.loss, spec.simulated)
    page = report.Stressed(
        spec=spec,
        verdict=verdict,
        rows=table,
        reasons={run.scenario.name: run.scenario.reason for run in (*spans, *costs, *decided)},
        left_out=[(one.family, one.name, one.why) for one in left_out],
        record=record,
        costed={run.scenario.name: _aligned(run).record for run in costs},
        sharpes=might.sharpe,
        drawdowns=might.max_drawdown,
        loss=might.loss,
        cutoffs=[day.isoformat() for day in again.cutoffs],
        seeds=len(again.books),
    )
    path = reports / f"robustness-{spec.name}.html"
    drawing.write_page(path, report.page(page, reports))
    return Robustness(commit, verdict, path, drawing.png(report.figure(table)))


@dataclass(frozen=True)
class _Market:
    """What fills and values the method's orders; read once."""

    spec: StrategySpec
    targets: pl.DataFrame
    bars: pl.DataFrame
    through: date
    facts: Facts

    def traded(self, spec: StrategySpec, targets: pl.DataFrame) -> pl.DataFrame:
        """Daily record of targets of the method, seeds pooled; empty where nothing was decided."""
        if targets.is_empty():
            return pooled(BACKTEST_DAILY.empty(), spec.method)
        daily = walkforward.trade(spec, targets, self.bars, self.through, self.facts).daily
        return pooled(daily, spec.method)


def _decided(market: _Market, again: Again, other: Sequence[Variant]) -> Iterator[Run]:
    """Take decisions again, each run beside that of the stored ones of the same cutoffs and seeds."""
    seeds = [seed for _, seed in again.books]
    stored = market.targets.filter(pl.col("cutoff").is_in(again.cutoffs) & pl.col("seed").is_in(seeds))
    plain = market.traded(market.spec, stored)

    def in_world(world: World) -> Run:
        targets = again.of_world(world)
        return Run(world.scenario, market.traded(waiting(market.spec, world), targets), plain)

    for world in worlds(market.spec):
        run = in_world(world)
        yield run
        if world.milder is not None and _measured(run):
            yield in_world(world.milder)
    for variant, targets in zip(other, again.of_settings(other), strict=True):
        yield Run(variant.scenario, market.traded(variant.spec, targets), plain)


def _aligned(run: Run) -> Run:
    """Fill in the sessions before anything was held: nothing was earned, paid or traded on them."""
    record = run.plain.select("date").join(run.record, on="date", how="left").sort("date").fill_null(0.0)
    return Run(run.scenario, record, run.plain)


def _measured(run: Run) -> bool:
    """Whether a scenario changes something measurable."""
    own = _aligned(run)
    net, plain = (frame["net_return"].to_numpy() for frame in (own.record, own.plain))
    gap = paired(net, plain)
    return of_difference(math.nan, math.nan, gap, len(net)) in (WORSE, BETTER)


def _mild(asked: Collection[str], spec: StrategySpec) -> list[LeftOut]:
    """Name what was not asked because more of it changes nothing."""
    why = "the whole of it changes nothing measurable, or is too short to say"
    milder = (world.milder.scenario for world in worlds(spec) if world.milder is not None)
    return [LeftOut(one.name, one.family, why) for one in milder if one.name not in asked]


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
