"""What to run next so that stale results are made again: parents before children, oldest cutoffs first.

What does not belong here: who asked, and asking (`assets/redo.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from lim_pipelines.lake import next_cutoff
from lim_pipelines.stale.recorded import EFFECTIVENESS, LEADERBOARD
from lim_pipelines.strategies.spec import StrategySpec

ALL = "all"


class UnknownResultError(ValueError):
    """Nobody makes a result of that name."""


@dataclass(frozen=True)
class Run:
    """One run to ask for.

    Parameters
    ----------
    assets
        What it makes.
    first, last
        Cutoffs, both included, all of them stale; None where the assets have none.
    """

    assets: tuple[str, ...]
    first: date | None = None
    last: date | None = None

    @property
    def key(self) -> str:
        """Name of it, for people and for run keys."""
        span = "" if self.first is None else f":{self.first}..{self.last}"
        return "+".join(self.assets) + span


def names(specs: Sequence[StrategySpec]) -> list[str]:
    """Assets whose stale results are made again, parents first.

    Not robustness and universality: how much those ask is said by people, when they materialise them.
    """
    steps = [f"{spec.name}_{step}" for step in ("model", "targets", "backtest") for spec in specs]
    return [*sorted({spec.foundation for spec in specs}), *steps, LEADERBOARD, EFFECTIVENESS]


def needed(result: str, specs: Sequence[StrategySpec]) -> set[str]:
    """Assets that must be fresh so that a result is: itself, and all that it is made from.

    Raises
    ------
    UnknownResultError
        There is no such asset.
    """
    known = names(specs)
    if result == ALL:
        return set(known)
    if result in (LEADERBOARD, EFFECTIVENESS):
        return {*known} - {LEADERBOARD, EFFECTIVENESS} | {result}
    if result not in known:
        raise UnknownResultError(f"result: {result!r} is none; write {ALL} or one of {', '.join(known)}")
    for spec in specs:
        line = [spec.foundation, *(f"{spec.name}_{step}" for step in ("model", "targets", "backtest"))]
        if result in line[1:]:
            return set(line[: line.index(result) + 1])
    return {result}


def next_runs(
    stale: pl.DataFrame,
    specs: Sequence[StrategySpec],
    result: str,
    since: date | None,
    done: Callable[[Run], bool] = lambda _: False,
) -> list[Run]:
    """Find the runs that can start now: at most one a family of checkpoints, so that they do not crowd.

    Parameters
    ----------
    stale
        As from `judge.stale`, now.
    specs
        All strategies.
    result
        What is asked for, see `needed`.
    since
        First cutoff that is asked for; None: all.
    done
        Whether a run was made for this request already. What is stale all the same (an earlier cutoff that
        nobody asked for is, or it was corrected once more) does not hold up what is made from it.

    Returns
    -------
    list of Run
        Empty if nothing that is asked for is stale. A run's successors are found when it has ended: what was
        made again may be as it was, and then nothing follows. Backtests and reports come last.
    """
    wanted = stale.filter(pl.col("result").is_in(needed(result, specs)))
    if since is not None:
        wanted = wanted.filter((pl.col("partition") == "") | (pl.col("partition") >= since.isoformat()))
    there = wanted.select("result", "partition").unique()
    runs = []
    for family in sorted({spec.foundation for spec in specs}):
        line: list[str] = [family]
        line += [f"{s.name}_{step}" for step in ("model", "targets") for s in specs if s.foundation == family]
        for asset in line:
            cutoffs = there.filter((pl.col("result") == asset) & (pl.col("partition") != ""))["partition"]
            runs_of = [Run((asset,), *block) for block in blocks(map(date.fromisoformat, cutoffs.to_list()))]
            left = [run for run in runs_of if not done(run)]
            if left:
                runs.append(left[0])
                break
    if runs:
        return runs
    whole = set(there.filter(pl.col("partition") == "")["result"])
    ends = Run(tuple(name for name in names(specs) if name in whole))
    return [ends] if ends.assets and not done(ends) else []


def blocks(cutoffs: Iterable[date]) -> list[tuple[date, date]]:
    """Return the first and last of cutoffs that follow one another without a gap, earliest first."""
    found: list[tuple[date, date]] = []
    for day in sorted(cutoffs):
        if found and day == next_cutoff(found[-1][1]):
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found
