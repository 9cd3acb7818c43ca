"""Planted leaks in models, decisions and backtests: every one is found, and a clean world passes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from execution_leaks import LEAKS as IN_EXECUTION
from execution_leaks import in_contracts, in_industries, traded
from model_leaks import LEAKS, Leak
from model_world import CUTOFFS, FAMILIES, LATE, OIL, SHARES, ModelWorld

from lim_pipelines import walkforward
from lim_pipelines.finetune import plan as finetune_plan
from lim_pipelines.foundation.store import changes
from lim_pipelines.lake import LATEST, Lake, midnight
from lim_pipelines.lake.past import ReadOnlyError
from lim_pipelines.schemas import MODEL_INPUTS, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec


def test_a_clean_world_passes(world: ModelWorld) -> None:
    found = [
        one for family in FAMILIES for cutoff in CUTOFFS for one in world.audit_checkpoint(family, cutoff)
    ]
    for spec in (OIL, SHARES):
        for cutoff in CUTOFFS:
            found += world.audit_model(spec, cutoff) + world.audit_targets(spec, cutoff, decisions=3)
        found += world.audit_decision(spec) + world.audit_backtest(spec)
    assert [one.finding for one in found if not one.passed] == []
    assert all(one.compared > 0 for one in found)
    assert {one.audit for one in found} == {"windows", "reads", "recompute"}


@pytest.mark.parametrize("leak", [*LEAKS, *IN_EXECUTION], ids=lambda leak: leak.name)
def test_a_planted_leak_is_found(
    leak: Leak, world: ModelWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = leak.plant(world.copy(tmp_path / "world"), monkeypatch)
    failed = [one for one in found if not one.passed]
    assert leak.audit in {one.audit for one in failed}, [one.finding for one in found]
    assert any(leak.says in one.finding for one in failed), [one.finding for one in failed]


@pytest.mark.parametrize("portfolio", [in_industries, in_contracts], ids=["industries", "contracts"])
def test_a_portfolio_that_learns_on_the_way_passes(
    portfolio: Callable[[ModelWorld], StrategySpec], world: ModelWorld, tmp_path: Path
) -> None:
    own = world.copy(tmp_path / "world")
    one = portfolio(own)
    own.decide(one, LATE)
    found = own.audit_targets(one, decisions=3)
    assert [verdict.finding for verdict in found if not verdict.passed] == []
    assert any(verdict.audit == "recompute" for verdict in found)


@pytest.mark.parametrize("execution", [{"delay": 2}, {"fill": "open", "delay": 2}], ids=str)
def test_fills_at_their_time_pass(execution: dict[str, Any], world: ModelWorld, tmp_path: Path) -> None:
    own = world.copy(tmp_path / "world")
    one = traded(own, **execution)
    own.backtest(one)
    assert [verdict.finding for verdict in own.audit_backtest(one) if not verdict.passed] == []


def test_whatever_training_and_decisions_ask_for_nothing_later_is_there(
    world: ModelWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads that no search of the code can tell from good ones, where each room reads its rows."""
    seen: list[tuple[datetime, datetime]] = []

    def greedy(lake: Lake, moment: datetime) -> None:
        for as_of in (LATEST, moment + timedelta(days=365), datetime.max.replace(tzinfo=UTC)):
            seen.append((moment, newest(lake.read(VALIDATED_BARS, as_of=as_of))))
        for table in (VALIDATED_BARS, MODEL_INPUTS):
            seen.append((moment, newest(lake.revisions(table))))
        with pytest.raises(ReadOnlyError):
            lake.open(VALIDATED_BARS)

    def newest(rows: pl.LazyFrame) -> datetime:
        return rows.select(pl.col("known_at").max()).collect().item()  # type: ignore[no-any-return]

    def spy(module: Any, name: str, moment: Callable[..., datetime]) -> None:
        honest = getattr(module, name)

        def asked(lake: Lake, *rest: Any) -> Any:
            greedy(lake, moment(*rest))
            return honest(lake, *rest)

        monkeypatch.setattr(module, name, asked)

    spy(changes, "everything", lambda here: midnight(CUTOFFS[0]))
    spy(finetune_plan, "read_inputs", lambda spec, cutoff: midnight(cutoff))
    spy(walkforward, "read_features", lambda spec, bars, known_by, since: known_by)
    own = world.copy(tmp_path / "world")
    before = {path.name for path in own.models.glob("*/*/*")}
    shutil.rmtree(own.windows)
    own.pretrain(FAMILIES[1], CUTOFFS[0])
    own.fit(OIL, CUTOFFS[0])
    shutil.rmtree(own.models / OIL.name / CUTOFFS[0].isoformat())
    own.fit(OIL, CUTOFFS[0])
    own.decide(OIL, CUTOFFS[0])
    assert len(seen) == 5 * 5, "bars; plan; plan, fit; decisions"
    assert all(found <= moment for moment, found in seen)
    assert {path.name for path in own.models.glob("*/*/*")} == before, "the same digests"
