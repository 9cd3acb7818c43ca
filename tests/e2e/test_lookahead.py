"""The look-ahead test over the whole lineage: change all data after a moment; nothing before it may change.

Two worlds share everything up to `CHANGE`. In the second, the vendors give another quote and macro value for
everything after it. Both go through ingest, pretraining, fine-tuning, decisions and backtest, on real data
(stocks, indices, WTI) and on the simulated exchange.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lim_pipelines import ingest, walkforward
from lim_pipelines.foundation.config import REAL, XSIM, FoundationConfig
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import LATEST, Lake, midnight, scope_of
from lim_pipelines.schemas import (
    BACKTEST_DAILY,
    INPUT_SCALES,
    MODEL_INPUTS,
    RAW_MACRO,
    RAW_QUOTES,
    TARGETS,
    VALIDATED_BARS,
    VALIDATED_MACRO,
    Table,
)
from lim_pipelines.simulate import xsim
from lim_pipelines.strategies.spec import StrategySpec

pytestmark = pytest.mark.slow

FIRST, LAST = date(2016, 1, 1), date(2018, 10, 31)
CHANGE = datetime(2018, 9, 20, 12, tzinfo=UTC)
BEFORE, AFTER = date(2018, 9, 1), date(2018, 10, 1)
"""Cutoffs: the first knows nothing of the change, but decides beyond it; the second must notice."""

DEFS = Path(__file__).resolve().parents[2] / "lim_pipelines" / "defs"
SMALL: dict[str, Any] = {"steps_first": 4, "steps_continual": 2, "batch_size": 8}
FAMILIES = (REAL.model_copy(update=SMALL), XSIM.model_copy(update={**SMALL, "freqs": ("1d",)}))


def small(name: str) -> StrategySpec:
    """A strategy of the demo, trained for a moment."""
    spec = StrategySpec.from_yaml(DEFS / name / "defs.yaml").model_dump(mode="json")
    spec["seeds"] = [1]
    spec["fit"] |= {"steps": 3, "batch": 4, "validation_sessions": 60, "history_sessions": 150}
    if name == "xsim_long_short":
        names = [f"XSIM:{instrument}" for instrument in xsim.instrument_names()[:8]]
        spec["universe"] = {"instruments": names}
        spec["fit"]["sample_every"] = 2
        spec["portfolio"] |= {"max_position": 0.3, "risk_sessions": 60, "rebalance_every": 3}
    return StrategySpec.model_validate(spec)


@dataclass
class World:
    """A lake and what was made of it."""

    root: Path

    @property
    def lake(self) -> Lake:
        return Lake(self.root / "lake")

    @property
    def models(self) -> Path:
        return self.root / "models"

    def steps(self, scope: pl.DataFrame) -> None:
        ingest.align_quotes(self.lake, scope)
        ingest.validate_bars(self.lake, scope)
        ingest.align_macro_series(self.lake)
        ingest.validate_macro_series(self.lake)
        build_inputs(self.lake, self.root / "vectors", scope)

    def train_and_decide(self) -> list[dict[str, Any]]:
        """Train both families and strategies at both cutoffs, decide and backtest."""
        from lim_pipelines.finetune.train import train
        from lim_pipelines.foundation.train import train_cutoffs

        cutoffs, trained = (BEFORE, AFTER), []
        for config in FAMILIES:
            trained += [result.model_dump() for result in train_cutoffs(self.job(config, cutoffs), print)]
        for spec in map(small, ("wti_transfer", "xsim_long_short")):
            for cutoff in cutoffs:
                job = {"lake": self.lake.root, "models": str(self.models), "cutoffs": [cutoff.isoformat()]}
                trained += train({**job, "strategy": spec.model_dump(mode="json")})
            rows = walkforward.decide(self.lake, self.models, spec, cutoffs)
            self.lake.write(TARGETS, rows, scope_of({"strategy": [spec.name], "cutoff": list(cutoffs)}))
            walkforward.backtest(self.lake, self.models, self.root / "reports", spec)
        return trained

    def job(self, config: FoundationConfig, cutoffs: tuple[date, ...]) -> Any:
        from lim_pipelines.foundation.train import Job

        return Job(
            lake=self.lake.root,
            models=str(self.models),
            windows=str(self.root / "windows"),
            family=config.name,
            cutoffs=cutoffs,
            config=config,
        )

    def weights(self, cutoff: date) -> dict[str, bytes]:
        """All weights of a cutoff by their path; the path holds the digest of everything that went in."""
        files = sorted(self.models.glob(f"*/{cutoff}/*/**/*.safetensors"))
        return {str(file.relative_to(self.models)): file.read_bytes() for file in files}

    def rows(self, table: Table, where: pl.Expr) -> pl.DataFrame:
        return self.lake.revisions(table, where).sort(table.row_key).collect()


def scope() -> pl.DataFrame:
    days = pl.date_range(FIRST, LAST, eager=True).to_list()
    return scope_of({"exchange": ["XNAS", "XNYM", "XNYS", "XSIM"], "date": days})


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, World]:
    import torch

    torch.set_num_threads(1)
    one, other = (World(tmp_path_factory.mktemp(name)) for name in ("one", "other"))
    ingest.load_raw_quotes(one.lake, one.root / "landing", scope())
    daily = one.lake.revisions(RAW_QUOTES, pl.col("freq") == "1d").collect()
    one.lake.write(RAW_QUOTES, daily, scope())
    ingest.load_raw_macro(one.lake, one.root / "landing")
    one.steps(scope())

    later = pl.col("ts") > CHANGE
    prices = [
        pl.when(later).then(pl.col(name) * factor).otherwise(pl.col(name)).alias(name)
        for name, factor in (("open", 1.5), ("high", 1.5), ("low", 1.5), ("close", 1.5), ("volume", 3.0))
    ]
    # Some bars are also missing altogether.
    lost = later & (pl.col("date").dt.day() % 7 == 0)
    other.lake.write(RAW_QUOTES, daily.filter(~lost).with_columns(prices), scope())
    macro = one.lake.revisions(RAW_MACRO).collect()
    value = pl.when(pl.col("known_at") > CHANGE).then(pl.col("value") * 1.3 + 1).otherwise(pl.col("value"))
    other.lake.write(RAW_MACRO, macro.with_columns(value=value), macro.select("series_id").unique())
    other.steps(scope())

    for world in (one, other):
        world.train_and_decide()
    return one, other


def test_the_worlds_differ_after_the_change_and_only_there(worlds: tuple[World, World]) -> None:
    for table in (VALIDATED_BARS, VALIDATED_MACRO, MODEL_INPUTS, INPUT_SCALES):
        known = pl.col("known_at") <= CHANGE
        one, other = (world.rows(table, known) for world in worlds)
        assert one.height > 1000
        assert one.equals(other)
        one, other = (world.rows(table, ~known) for world in worlds)
        assert not one.equals(other)


def test_checkpoints_and_models_of_an_earlier_cutoff_are_equal_to_the_bit(
    worlds: tuple[World, World],
) -> None:
    one, other = (world.weights(BEFORE) for world in worlds)
    families = {path.split("/")[0] for path in one}
    assert families == {*(f.name for f in FAMILIES), "wti_transfer", "xsim_long_short"}
    assert one == other


def test_a_later_cutoff_notices(worlds: tuple[World, World]) -> None:
    one, other = (world.weights(AFTER) for world in worlds)
    assert one
    assert not set(one) & set(other), "other data, other digests"


@pytest.mark.parametrize("strategy", ["wti_transfer", "xsim_long_short"])
def test_decisions_before_the_change_are_equal_to_the_bit(worlds: tuple[World, World], strategy: str) -> None:
    here = (pl.col("strategy") == strategy) & (pl.col("cutoff") == BEFORE)
    early = here & (pl.col("decided_at") <= CHANGE)
    one, other = (world.rows(TARGETS, early) for world in worlds)
    assert one["date"].n_unique() >= (8 if strategy == "wti_transfer" else 2)
    assert one.equals(other)
    one, other = (world.rows(TARGETS, here & (pl.col("decided_at") > CHANGE)) for world in worlds)
    assert not one.equals(other), "the same models see other data"


@pytest.mark.parametrize("strategy", ["wti_transfer", "xsim_long_short"])
def test_results_before_the_change_are_equal_to_the_bit(worlds: tuple[World, World], strategy: str) -> None:
    here = pl.col("strategy") == strategy
    one, other = (world.rows(BACKTEST_DAILY, here & (pl.col("date") < CHANGE.date())) for world in worlds)
    assert one["date"].n_unique() >= 5
    assert one.equals(other)
    one, other = (world.rows(BACKTEST_DAILY, here & (pl.col("date") > CHANGE.date())) for world in worlds)
    assert not one.equals(other)


def test_corrections_that_arrive_later_change_no_earlier_decision(worlds: tuple[World, World]) -> None:
    """Revisions, known after the change, of every bar of the two months before it."""
    from lim_pipelines.finetune.train import train
    from lim_pipelines.foundation.train import train_cutoffs

    world = worlds[0]
    corrected = world.lake.read(
        VALIDATED_BARS, as_of=LATEST, where=pl.col("ts").is_between(CHANGE - timedelta(60), CHANGE)
    ).collect()
    revisions = corrected.with_columns(
        close=pl.col("close") * 1.01, known_at=pl.lit(CHANGE + timedelta(days=1))
    )
    touched = corrected.select("exchange", "date").unique()
    there = world.lake.revisions(VALIDATED_BARS).join(touched.lazy(), on=["exchange", "date"], how="semi")
    before = world.rows(TARGETS, pl.col("decided_at") <= CHANGE)
    world.lake.write(
        VALIDATED_BARS,
        pl.concat([there.collect(), revisions.select(there.collect_schema().names())]),
        touched,
    )

    for config in FAMILIES:
        (result,) = train_cutoffs(world.job(config, (BEFORE,)), print)
        assert result.reused, "the same digest: nothing to train"
    for spec in map(small, ("wti_transfer", "xsim_long_short")):
        job = {"lake": world.lake.root, "models": str(world.models), "cutoffs": [BEFORE.isoformat()]}
        (entry,) = train({**job, "strategy": spec.model_dump(mode="json")})
        assert entry["reused"]
        rows = walkforward.decide(world.lake, world.models, spec, [BEFORE])
        mine = rows.filter(pl.col("decided_at") <= CHANGE).sort(TARGETS.row_key)
        expected = before.filter((pl.col("strategy") == spec.name) & (pl.col("cutoff") == BEFORE))
        assert mine.equals(expected.select(mine.columns))
    assert midnight(BEFORE) < CHANGE < midnight(AFTER)
