"""What was made, from what, and whether it would be made so today: backtests and reports.

Policies make backtests, the leaderboard and the test of effectiveness again. Robustness and universality are
listed: both ask models, for as much time as people have granted them in the launchpad, and every session that
comes changes what they would read.

What does not belong here: what backtests are made from (`found.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.lake import Lake
from lim_pipelines.stale import wanted
from lim_pipelines.stale.asked import asked, digest_of
from lim_pipelines.stale.recorded import EFFECTIVENESS, LEADERBOARD, UNIVERSALITY, code_of
from lim_pipelines.stale.result import Key, Records, Result, other_code, recorded
from lim_pipelines.stale.wanted import Wanted
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.walkforward import CODE_VERSION


def reports(
    lake: Lake,
    models: Path,
    specs: Sequence[StrategySpec],
    configs: Sequence[FoundationConfig],
    records: Records,
) -> list[Result]:
    """Find backtests, the leaderboard and the three tests, each behind what it is made from.

    Parameters
    ----------
    lake, models
        Where records and models lie.
    specs, configs
        All strategies and families.
    records
        What was recorded.
    """

    def made(
        name: str, reads: Sequence[Wanted], parents: Sequence[Key], code: str, policy: bool
    ) -> list[Result]:
        record = records.get((name, ""), [])
        if not record:
            return []
        altered = other_code(record, code)
        return [Result(name, "", recorded(lake, reads, record), tuple(parents), altered, policy)]

    found: list[Result] = []
    tested = []
    for spec in specs:
        days = _cutoffs(spec, records)
        if days:
            targets = [(f"{spec.name}_targets", day.isoformat()) for day in days]
            backtest = f"{spec.name}_backtest"
            found += made(backtest, wanted.of_backtest(spec, days), targets, code_of(spec), policy=True)
            if (backtest, "") in records:
                tested.append((spec, days))
    backtests = [one.key for one in found]
    found += made(LEADERBOARD, wanted.of_leaderboard(specs), backtests, CODE_VERSION, policy=True)
    found += made(EFFECTIVENESS, wanted.of_effectiveness(specs, tested), backtests, CODE_VERSION, policy=True)
    for spec, days in tested:
        parents = [(f"{spec.name}_backtest", "")]
        name = f"{spec.name}_robustness"
        found += made(name, wanted.of_robustness(spec, days), parents, code_of(spec), policy=False)
    return [*found, *_universality(lake, models, specs, configs, records)]


def _cutoffs(spec: StrategySpec, records: Records) -> list[date]:
    """Cutoffs whose targets a strategy has recorded, since it began."""
    days = (date.fromisoformat(partition) for name, partition in records if name == f"{spec.name}_targets")
    return sorted(day for day in days if spec.cadence.begun(day))


def _universality(
    lake: Lake,
    models: Path,
    specs: Sequence[StrategySpec],
    configs: Sequence[FoundationConfig],
    records: Records,
) -> list[Result]:
    record = records.get((UNIVERSALITY, ""), [])
    if not record:
        return []
    now = asked(models, configs, specs)
    altered = other_code(record, CODE_VERSION)
    if not altered and record[0]["parents"] != digest_of(now):
        altered = "other checkpoints or models of the last year are in use"
    reads = recorded(lake, wanted.of_universality(specs), record)
    return [Result(UNIVERSALITY, "", reads, tuple(now), altered, policy=False)]
