"""Records in scenarios: traded otherwise, or decided again, beside the plain record of the same sessions.

What does not belong here: figures of records (`robustness.py`), what scenarios are (a file a family).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from lim_pipelines.backtest import engine
from lim_pipelines.backtest.errors import BacktestError
from lim_pipelines.backtest.facts import Facts
from lim_pipelines.backtest.metrics import pooled
from lim_pipelines.portfolio.question import OptimiserError
from lim_pipelines.schemas import BACKTEST_DAILY
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress.again import Again, World, waiting, worlds
from lim_pipelines.stress.compare import paired
from lim_pipelines.stress.costed import Variant
from lim_pipelines.stress.scenarios import LeftOut, Scenario
from lim_pipelines.stress.verdict import BETTER, WORSE, of_difference


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


@dataclass(frozen=True)
class Market:
    """What fills and values orders of a strategy's method.

    Parameters
    ----------
    spec, targets
        The strategy; rows of `TARGETS` of its method.
    bars, through, facts
        As for `engine.run`; read once.
    """

    spec: StrategySpec
    targets: pl.DataFrame
    bars: pl.DataFrame
    through: date
    facts: Facts

    def traded(self, spec: StrategySpec, targets: pl.DataFrame) -> pl.DataFrame:
        """Daily record of targets of the method, seeds pooled; empty where nothing was decided."""
        if targets.is_empty():
            return pooled(BACKTEST_DAILY.empty(), spec.method)
        # As `walkforward.trade`, but trades and positions, which take a quarter of the time, are not kept.
        there = (self.bars, self.through, spec.costs, spec.execution, self.facts)
        return pooled(engine.run(targets, *there, record=False).daily, spec.method)


def of_costs(market: Market, variants: Sequence[Variant]) -> tuple[list[Run], list[LeftOut]]:
    """Trade all targets otherwise, as far as the engine lets it, each run beside that of now.

    The stored record is not what stands beside them: bars may have been corrected since it was made.

    Parameters
    ----------
    market
        What fills them.
    variants
        As from `costed.costed`.

    Returns
    -------
    tuple
        Runs; what the engine refuses, such as an open before the decision.
    """
    plain = market.traded(market.spec, market.targets)
    runs: list[Run] = []
    left: list[LeftOut] = []
    for one in variants:
        try:
            runs.append(Run(one.scenario, market.traded(one.spec, market.targets), plain))
        except BacktestError as error:
            left.append(_refused(one.scenario, error))
    return runs, left


def of_decisions(market: Market, again: Again, other: Sequence[Variant]) -> tuple[list[Run], list[LeftOut]]:
    """Take decisions again, each run beside that of the stored ones of the same cutoffs and seeds.

    Parameters
    ----------
    market
        What fills orders.
    again
        Which decisions.
    other
        As from `settings.varied`.

    Returns
    -------
    tuple
        Runs in worse worlds, then with other settings; what was not asked, or has no solution.

    Raises
    ------
    MissingTargetsError
        The stored decisions are those of other models.
    """
    seeds = [seed for _, seed in again.books]
    stored = market.targets.filter(pl.col("cutoff").is_in(again.cutoffs) & pl.col("seed").is_in(seeds))
    again.refuse_others(stored)
    plain = market.traded(market.spec, stored)
    runs: list[Run] = []
    left: list[LeftOut] = []
    for world in worlds(market.spec):
        asked: list[Run | LeftOut] = [_in_world(market, again, world, plain)]
        if world.milder is not None:
            harsh = asked[0]
            mild = isinstance(harsh, Run) and _measured(harsh)
            asked.append(_in_world(market, again, world.milder, plain) if mild else _mild(world.milder))
        runs += [one for one in asked if isinstance(one, Run)]
        left += [one for one in asked if isinstance(one, LeftOut)]
    for variant, targets in zip(other, again.of_settings(other), strict=True):
        if isinstance(targets, OptimiserError):
            left.append(_refused(variant.scenario, targets))
        else:
            runs.append(Run(variant.scenario, market.traded(variant.spec, targets), plain))
    return runs, left


def _in_world(market: Market, again: Again, world: World, plain: pl.DataFrame) -> Run | LeftOut:
    try:
        targets = again.of_world(world)
    except OptimiserError as error:
        return _refused(world.scenario, error)
    return Run(world.scenario, market.traded(waiting(market.spec, world), targets), plain)


def _refused(scenario: Scenario, error: Exception) -> LeftOut:
    return LeftOut(scenario.name, scenario.family, str(error))


def aligned(run: Run) -> Run:
    """Fill in the sessions before anything was held: nothing was earned, paid or traded on them."""
    record = run.plain.select("date").join(run.record, on="date", how="left").sort("date").fill_null(0.0)
    return Run(run.scenario, record, run.plain)


def _measured(run: Run) -> bool:
    """Whether a scenario changes something measurable."""
    own = aligned(run)
    net, plain = (frame["net_return"].to_numpy() for frame in (own.record, own.plain))
    gap = paired(net, plain)
    return of_difference(math.nan, math.nan, gap, len(net)) in (WORSE, BETTER)


def _mild(world: World) -> LeftOut:
    """Say why less of something is not asked."""
    why = "the whole of it changes nothing measurable, or is too short to say"
    return LeftOut(world.scenario.name, world.scenario.family, why)
