"""Planted leaks in models, decisions and backtests: every one is found, and a clean world passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from model_leaks import LEAKS, Leak
from model_world import CUTOFFS, FAMILIES, OIL, SHARES, ModelWorld


def test_a_clean_world_passes(world: ModelWorld) -> None:
    found = [
        one for family in FAMILIES for cutoff in CUTOFFS for one in world.audit_checkpoint(family, cutoff)
    ]
    for spec in (OIL, SHARES):
        for cutoff in CUTOFFS:
            found += world.audit_model(spec, cutoff) + world.audit_targets(spec, cutoff, decisions=3)
        found += world.audit_backtest(spec)
    assert [one.finding for one in found if not one.passed] == []
    assert all(one.compared > 0 for one in found)
    assert {one.audit for one in found} == {"windows", "reads", "recompute"}


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_planted_leak_is_found(
    leak: Leak, world: ModelWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = leak.plant(world.copy(tmp_path / "world"), monkeypatch)
    failed = [one for one in found if not one.passed]
    assert leak.audit in {one.audit for one in failed}, [one.finding for one in found]
    assert any(leak.says in one.finding for one in failed), [one.finding for one in failed]
