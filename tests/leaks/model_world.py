"""A small world of models: bars and inputs, two cutoffs of checkpoints and models, targets, backtests.

Six simulated shares and WTI over a year and a half, with a correction and a bar that come late, a share that
goes and a split. Built once; a leak gets a copy.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from strategy_world import NAMES, config, macro, market, put_lake, spec

from lim_pipelines import walkforward
from lim_pipelines.audit import backtests, checkpoints, decisions, targets
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.backtest import metrics
from lim_pipelines.backtest.facts import read_facts
from lim_pipelines.evaluate import ledger
from lim_pipelines.finetune.train import train
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.train import Job, train_cutoffs
from lim_pipelines.lake import LATEST, Lake, scope_of
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS, TRIALS, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec

EARLY, LATE = CUTOFFS = (date(2018, 5, 1), date(2018, 6, 1))
END = date(2018, 7, 1)
GONE, GONE_ON = NAMES[5], date(2018, 6, 15)
QUICK = {"steps_first": 4, "steps_continual": 2, "batch_size": 8}
FAMILIES = tuple(
    config(name).model_copy(update=QUICK) for name in ("foundation_checkpoint", "xsim_foundation_checkpoint")
)
_FIT = {"steps": 4, "batch": 8, "validation_sessions": 40}
OIL = spec(
    "directional",
    name="oil",
    seeds=[1],
    fit=_FIT,
    controls=["ridge", "lightgbm", "tsmom", "macd", "without_macro"],
)
SHARES = spec(name="shares", seeds=[1], fit=_FIT, controls=["ridge"])
SPREADS = spec(
    "pairs",
    name="spreads",
    seeds=[1],
    fit=_FIT,
    controls=["ridge"],
    pairs={"formation_sessions": 120, "window": 20},
    portfolio={},
)

FOLLOWERS = spec(
    "lead_lag", name="followers", seeds=[1], fit=_FIT, controls=["ridge"], leaders={"most": 2}, portfolio={}
)


def bars() -> pl.DataFrame:
    shares, oil = market(end=END), market(seed=1, names=("XNYM:WTI",), end=END)
    split = (pl.col("instrument_id") == NAMES[4]) & (pl.col("date") >= date(2018, 6, 11))
    first = split & (pl.col("date") == date(2018, 6, 11))
    late = (pl.col("instrument_id") == NAMES[2]) & (pl.col("date") == date(2018, 6, 5))
    shares = shares.filter((pl.col("instrument_id") != GONE) | (pl.col("date") < GONE_ON)).with_columns(
        close=pl.when(split).then(pl.col("close") / 2).otherwise("close"),
        ex_factor=pl.when(first).then(0.5).otherwise("ex_factor"),
        known_at=pl.when(late).then(pl.col("known_at") + timedelta(days=3)).otherwise("known_at"),
    )
    # Every tenth bar of April and May turns out, late in June, to have been wrong.
    spring = pl.col("date").is_between(date(2018, 4, 1), date(2018, 5, 31))
    wrong = pl.concat([shares, oil]).filter(spring & (pl.col("date").dt.day() % 10 == 0))
    turned_out = pl.lit(datetime(2018, 6, 25, tzinfo=UTC)).dt.cast_time_unit("us")
    corrected = wrong.with_columns(close=pl.col("close") * 1.05, known_at=turned_out)
    return VALIDATED_BARS.conform(pl.concat([shares, oil, corrected]))


@dataclass(frozen=True)
class ModelWorld:
    """Where it lies, its steps, and its audits."""

    root: Path

    @property
    def lake(self) -> Lake:
        return Lake(self.root / "lake")

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def windows(self) -> Path:
        return self.root / "windows"

    def copy(self, to: Path) -> ModelWorld:
        shutil.copytree(self.root, to)
        return ModelWorld(to)

    def pretrain(self, family: FoundationConfig, *cutoffs: date) -> None:
        job = Job(
            lake=self.lake.root,
            models=str(self.models),
            windows=str(self.windows),
            family=family.name,
            cutoffs=cutoffs,
            config=family,
        )
        train_cutoffs(job, lambda _: None)

    def fit(self, one: StrategySpec, cutoff: date) -> None:
        job = {"lake": self.lake.root, "models": str(self.models), "cutoffs": [cutoff.isoformat()]}
        train({**job, "strategy": one.model_dump(mode="json")})

    def decide(self, one: StrategySpec, *cutoffs: date) -> pl.DataFrame:
        rows = walkforward.decide(self.lake, self.models, one, cutoffs)
        self.put(one, rows, *cutoffs)
        return rows

    def put(self, one: StrategySpec, rows: pl.DataFrame, *cutoffs: date) -> None:
        self.lake.write(TARGETS, rows, scope_of({"strategy": [one.name], "cutoff": list(cutoffs)}))

    def backtest(self, one: StrategySpec) -> None:
        """What `walkforward.backtest` writes, without the report."""
        own = self.lake.read(TARGETS, as_of=LATEST, where=pl.col("strategy") == one.name)
        decided = own.sort(TARGETS.key).collect()
        through = END - timedelta(days=1)
        here = walkforward.universe(one) & (pl.col("date") <= through)
        prices = self.lake.read(VALIDATED_BARS, as_of=LATEST, where=here).sort(VALIDATED_BARS.key).collect()
        facts = read_facts(self.lake, prices, one.execution.currency)
        daily = walkforward.trade(one, decided, prices, through, facts).daily
        trials = ledger.trials(one.name, one.digest(), one.simulated, daily)
        self.lake.write(TRIALS, trials, trials.select(TRIALS.partition_key).unique())
        scope = scope_of({"strategy": [one.name]})
        scores = metrics.scores(one.name, one.task, one.horizon, daily, decided, prices)
        self.lake.write(SCORES, scores, scope)
        self.lake.write(BACKTEST_DAILY, daily, scope)

    def audit_checkpoint(self, family: FoundationConfig, cutoff: date = EARLY) -> list[Verdict]:
        return checkpoints.audit_checkpoint(self.lake, self.models, family, cutoff)

    def audit_model(self, one: StrategySpec, cutoff: date = EARLY) -> list[Verdict]:
        return checkpoints.audit_model(self.lake, self.models, one.name, cutoff)

    def audit_decision(self, one: StrategySpec, cutoff: date = LATE) -> list[Verdict]:
        return decisions.audit_decision(self.lake, self.models, one.name, cutoff)

    def audit_targets(self, one: StrategySpec, cutoff: date = LATE, decisions: int = 1) -> list[Verdict]:
        return targets.audit_targets(self.lake, self.models, one, cutoff, decisions)

    def audit_backtest(self, one: StrategySpec, sessions: int = 3) -> list[Verdict]:
        return backtests.audit_backtest(self.lake, one, sessions)


def build(root: Path) -> ModelWorld:
    """All of it, by the platform's own steps."""
    world = ModelWorld(root)
    put_lake(root / "lake", bars(), macro(end=END))
    for family in FAMILIES:
        world.pretrain(family, *CUTOFFS)
    for one in (OIL, SHARES):
        for cutoff in CUTOFFS:
            world.fit(one, cutoff)
        world.decide(one, *CUTOFFS)
        world.backtest(one)
    return world
