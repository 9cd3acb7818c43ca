"""Runs that overtake each other: what is written is made of the newest there is to read.

What does not belong here: what is made (`ingest.py`, `alternative/`), commits that meet (`lake/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.lake import Commit, Lake
from lim_pipelines.schemas import ALIGNED_BARS, RELEASES, Table

_JUDGED: Final = (ALIGNED_BARS, RELEASES)


def from_newest(
    lake: Lake,
    table: Table,
    scope: pl.DataFrame,
    read: Callable[[], pl.DataFrame],
    make: Callable[[pl.DataFrame, pl.DataFrame], Outcome],
) -> tuple[Commit, int, Outcome]:
    """Write what is made of what is read; if another run wrote meanwhile, of what there is to read then.

    Else a run that read first and writes last would put back what the other one has corrected. `make` gets
    what is read and what is there; partitions that it holds stay as they are.
    """
    last: list[tuple[int, Outcome]] = []

    def content(there: pl.DataFrame) -> pl.DataFrame:
        frame = read()
        outcome = make(frame, there)
        last[:] = [(frame.height, outcome)]
        if outcome.held.is_empty():
            return outcome.rows
        return pl.concat([outcome.rows, there.join(outcome.held, on=table.partition_key, how="semi")])

    commit = lake.update(table, scope, content)
    return commit, *last[0]


def judged_versions(lake: Lake) -> dict[str, int]:
    """Return the versions of what verdicts of the gate are made of."""
    return {table.name: lake.version(table) for table in _JUDGED}


def moved(lake: Lake, scope: pl.DataFrame, seen: Mapping[str, int]) -> bool:
    """Whether partitions have other bars or releases by now than when they were judged.

    Bars, quarantine and verdicts are commits of their own. A run that has written all of them and finds that
    what it judged has moved judges again: so the last verdict written is of the newest there is, whoever
    overtook whom.

    Parameters
    ----------
    lake
        The lake.
    scope
        Columns exchange and date.
    seen
        What `judged_versions` gave before the bars were read.
    """
    return any(
        lake.version(table) > seen[table.name]
        and not lake.changed_since(table, seen[table.name])
        .join(scope, on=scope.columns, how="semi")
        .is_empty()
        for table in _JUDGED
    )
