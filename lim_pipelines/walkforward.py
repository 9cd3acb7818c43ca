"""Walk forward: decide at each cutoff, stitch the pieces, cost them, score them, report.

Reads the lake and the models' folder, calls one room after the other, writes result tables. What does not
belong here: any arithmetic of theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.backtest import engine, metrics
from lim_pipelines.backtest.capacity import measured_capacity
from lim_pipelines.backtest.facts import Facts, read_facts
from lim_pipelines.backtest.result import Result
from lim_pipelines.backtest.summary import summary
from lim_pipelines.evaluate import leaderboard as board
from lim_pipelines.evaluate import ledger
from lim_pipelines.evaluate.ablation import by_modality
from lim_pipelines.finetune import champions, store
from lim_pipelines.finetune.features import read_features
from lim_pipelines.foundation.evidence import Event
from lim_pipelines.lake import LATEST, Commit, Lake, Past, midnight, next_cutoff, scope_of
from lim_pipelines.portfolio.complete import refuse_gaps, refuse_other_models, refuse_stale
from lim_pipelines.portfolio.targets import make_targets_each
from lim_pipelines.reference import known_listings
from lim_pipelines.reports import plots
from lim_pipelines.reports import strategy as report
from lim_pipelines.reports.page import there
from lim_pipelines.schemas import (
    BACKTEST_DAILY,
    ONE_PRICE,
    SCORES,
    TARGETS,
    VALIDATED_BARS,
    Table,
)
from lim_pipelines.strategies.base import universe_sessions
from lim_pipelines.strategies.industries import NO_LINKS, read_links
from lim_pipelines.strategies.spec import StrategySpec

CODE_VERSION = "results-4"
"""Of targets and backtests. Raise it when the same models and bars would give other results."""


LONGEST_RHYTHM_DAYS = 120
"""Days that hold 63 sessions, the longest from one rebalance to the next."""


class MissingModelError(RuntimeError):
    """A strategy has no models of a cutoff."""


@dataclass(frozen=True)
class Outcome:
    """What a backtest gave.

    Parameters
    ----------
    commit
        What the write of `BACKTEST_DAILY` did.
    verdict
        In plain words.
    report
        The HTML report.
    summary
        One row an arm: the metrics of the table in the report, means over seeds.
    modalities
        What each modality is worth, `evaluate.ablation.by_modality`; empty without such controls.
    equity_png
        Equity curves, for the asset's metadata.
    """

    commit: Commit
    verdict: str
    report: Path
    summary: pl.DataFrame
    modalities: pl.DataFrame
    equity_png: bytes


def decide(
    lake: Lake,
    models: Path,
    spec: StrategySpec,
    cutoffs: Sequence[date],
    until: datetime | None = None,
) -> pl.DataFrame:
    """Target weights of a strategy for the periods that follow some cutoffs.

    Each decision sees only rows that were known by then, and is made by the models that were in use at its
    cutoff.

    Parameters
    ----------
    lake, models
        Where bars and models lie.
    spec
        The strategy.
    cutoffs
        Cutoffs; the period of each ends at the next month's first midnight, UTC. Those before the strategy
        begins have no decisions.
    until
        The last decision that is taken, for an audit that takes it again; None takes all of the periods.

    Returns
    -------
    pl.DataFrame
        Rows of `TARGETS`.

    Raises
    ------
    MissingModelError, ChampionError
        The models of a cutoff are not trained, or nobody can say which are in use.
    MissingInputsError
        Sessions with bars have no model inputs.
    """
    return decide_each(lake, models, [spec], cutoffs, until=until)[0]


def decide_each(
    lake: Lake,
    models: Path,
    specs: Sequence[StrategySpec],
    cutoffs: Sequence[date],
    *,
    until: datetime | None = None,
    late: int = 0,
    books: Collection[store.Book] | None = None,
) -> list[pl.DataFrame]:
    """Target weights of several portfolios of the same models, which are asked once a decision.

    Parameters
    ----------
    lake, models, cutoffs, until
        As for `decide`.
    specs
        One strategy with other settings of its portfolio each.
    late
        Sessions by which data come late (`strategies.base.universe_sessions`); the lake must not know them
        earlier.
    books
        Arms and seeds that decide; None is all of them.

    Returns
    -------
    list of pl.DataFrame
        As from `decide`, one a specification.
    """
    import torch

    # One decision is a small batch: handing it from thread to thread takes longer than the arithmetic.
    torch.set_num_threads(1)
    spec = specs[0]
    cutoffs = [cutoff for cutoff in cutoffs if spec.cadence.begun(cutoff)]
    if not cutoffs:
        return [TARGETS.empty() for _ in specs]
    folders = _folders(models, spec, cutoffs)
    end = next_cutoff(max(cutoffs))
    moment = until or midnight(end)
    # Nothing that became known later exists for a decision, whatever it asks for.
    lake = Past(lake, moment)
    bars = lake.revisions(VALIDATED_BARS, universe(spec) & (pl.col("known_at") <= moment)).collect()
    # A cross-section's period begins with the positions of the last rebalance before it.
    since = min(cutoffs) - timedelta(days=LONGEST_RHYTHM_DAYS)
    inputs = read_features(lake, spec, bars, moment, since)
    sessions = universe_sessions(spec, end, late)
    if until is not None:
        sessions = sessions.filter(pl.col("decided_at") <= until)
    links = read_links(lake, moment) if any(one.reads_industries for one in specs) else NO_LINKS
    there = (bars, inputs, sessions, links, known_listings(lake))
    pieces = [
        make_targets_each(specs, cutoff, next_cutoff(cutoff), folder, *there, books)
        for cutoff, folder in folders.items()
    ]
    return [pl.concat(own) for own in zip(*pieces, strict=True)]


def _folders(models: Path, spec: StrategySpec, cutoffs: Sequence[date]) -> dict[date, Path]:
    found = {cutoff: champions.in_use(models, spec, cutoff) for cutoff in cutoffs}
    missing = [cutoff.isoformat() for cutoff, folder in found.items() if folder is None]
    if missing:
        raise MissingModelError(
            f"strategy {spec.name}: no models of cutoffs {', '.join(missing)} in {models};"
            f" materialise {spec.name}_model, the same partitions, first"
        )
    return {cutoff: folder for cutoff, folder in found.items() if folder is not None}


def backtest(lake: Lake, models: Path, reports: Path, spec: StrategySpec) -> Outcome:
    """Stitch the targets of all cutoffs, cost them, score them, enter the trials, write the report.

    Parameters
    ----------
    lake, models
        Where bars, targets and models lie.
    reports
        Folder of HTML reports.
    spec
        The strategy.

    Raises
    ------
    MissingTargetsError
        There are no targets, some are of another specification or of other models than the current ones, or a
        month is missing in between.
    """
    targets = _sorted(lake, TARGETS, pl.col("strategy") == spec.name)
    refuse_stale(spec, targets)
    cutoffs = targets["cutoff"].unique().sort().to_list()
    refuse_gaps(spec, cutoffs)
    metas = {cutoff: store.read_meta(folder) for cutoff, folder in _folders(models, spec, cutoffs).items()}
    refuse_other_models(spec, targets, metas)
    through = next_cutoff(cutoffs[-1]) - timedelta(days=1)
    bars = _sorted(lake, VALIDATED_BARS, universe(spec) & (pl.col("date") <= through))
    facts = read_facts(lake, bars, spec.execution.currency)
    result = trade(spec, targets, bars, through, facts)
    # The trial first: whatever happens next, it has been made.
    ledger.enter(lake, spec.name, spec.digest(), spec.simulated, result.daily)
    scope = scope_of({"strategy": [spec.name]})
    scores = metrics.scores(spec.name, spec.task, spec.horizon, result.daily, targets, bars)
    lake.write(SCORES, scores, scope)
    commit = lake.write(BACKTEST_DAILY, result.daily, scope)
    judged = board.judge(spec, result.daily, ledger.read(lake, spec.simulated))
    worth = by_modality(spec, result.daily, scores)
    page = report.render(
        report.Backtested(
            spec,
            judged,
            result,
            scores,
            targets,
            bars,
            metas,
            measured_capacity(spec.method, targets, bars, through, spec.costs, spec.execution, facts),
            [
                (f"lake table {table.name}", f"version {lake.version(table)}")
                for table in (VALIDATED_BARS, TARGETS)
            ],
            _judgements(models, spec, cutoffs),
            worth.to_dicts(),
            there(reports, ("effectiveness", "universality", f"robustness-{spec.name}")),
        )
    )
    path = reports / f"{spec.name}.html"
    drawing.write_page(path, page)
    return Outcome(
        commit,
        judged.verdict,
        path,
        summary(scores, spec.arms),
        worth,
        drawing.png(plots.equity_figure(result.daily, spec.arms)),
    )


def trade(
    spec: StrategySpec, targets: pl.DataFrame, bars: pl.DataFrame, through: date, facts: Facts
) -> Result:
    """Run a strategy's targets through the engine as its YAML says.

    Parameters
    ----------
    spec
        The strategy.
    targets, bars
        Rows of `TARGETS` and of `VALIDATED_BARS`.
    through
        Last session.
    facts
        As from `backtest.facts.read_facts`, in the currency of the books.
    """
    return engine.run(targets, bars, through, spec.costs, spec.execution, facts)


def _judgements(models: Path, spec: StrategySpec, cutoffs: Sequence[date]) -> list[Event]:
    """Decisions on the models that were trained for some cutoffs, oldest first."""
    trained = sorted({spec.cadence.trained_at(cutoff) for cutoff in cutoffs})
    found = (champions.event_at(models, spec.name, cutoff) for cutoff in trained)
    return [event for event in found if event is not None]


def _sorted(lake: Lake, table: Table, where: pl.Expr) -> pl.DataFrame:
    return lake.read(table, as_of=LATEST, where=where).sort(table.key).collect()


def universe(spec: StrategySpec) -> pl.Expr:
    """Rows of `VALIDATED_BARS` that belong to a strategy's instruments, at its frequency."""
    return spec.universe.rows() & (pl.col("freq") == spec.frequency) & pl.col("price_type").is_in(ONE_PRICE)
