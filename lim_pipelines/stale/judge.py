"""Which results are stale, and why: rows, parents or settings are others.

What does not belong here: what results there are (`found.py`), comparing rows (`rows.py`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.schemas import STALE_RESULTS
from lim_pipelines.stale.found import results
from lim_pipelines.stale.result import Key, Result
from lim_pipelines.stale.rows import differences
from lim_pipelines.stale.state import state
from lim_pipelines.strategies.spec import StrategySpec

_last: dict[Hashable, pl.DataFrame] = {}
"""What the last look found: several sensors ask, and most looks are at what nobody has touched since."""


def stale(
    lake: Lake, models: Path, specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> pl.DataFrame:
    """Find the results that would come out of something else today.

    Stale is what would read other rows now, at its own moment and by its own filter, than in the version of
    the lake that it recorded; what is made from something stale, or from another parent than it would be
    today; and what today's code or settings would make otherwise. A row that arrives again as it was, a
    correction that was taken back, one known only after a result's moment, and compaction are no causes.

    Parameters
    ----------
    lake, models
        Where data, records and models lie.
    specs, configs
        All strategies and families.

    Returns
    -------
    pl.DataFrame
        Columns of `STALE_RESULTS`, one row a cause. Parents stand before what is made from them, earlier
        cutoffs before later ones: the order in which they are made again.
    """
    seen = (state(lake, models), *(one.model_dump_json() for one in (*specs, *configs)))
    if seen not in _last:
        found = _stale(lake, models, specs, configs)
        _last.clear()
        _last[seen] = found
    return _last[seen]


def _stale(
    lake: Lake, models: Path, specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> pl.DataFrame:
    found = results(lake, models, specs, configs)
    reads = [(one.key, read) for one in found for read in one.reads]
    rows: dict[Key, list[dict[str, Any]]] = {}
    for (key, read), other in zip(reads, differences(lake, [read for _, read in reads]), strict=True):
        for entry in other.iter_rows(named=True):
            told = {"table": read.wanted.table.name, "lake_version": read.version}
            rows.setdefault(key, []).append(told | entry)
    causes: list[dict[str, Any]] = []
    # Whether policies make it again, of what is stale.
    marked: dict[Key, bool] = {}
    for one in found:
        own = [_rows(entry) for entry in rows.get(one.key, [])]
        if one.altered:
            own.append({"cause": "settings", "table": "", "why": one.altered})
        parents = [parent for parent in one.parents if parent in marked]
        if own or parents:
            # Made again from a parent that stays stale it would be stale as before.
            due = one.policy and (bool(own) or any(marked[parent] for parent in parents))
            marked[one.key] = due
            causes += [_cause(one, due, cause) for cause in (*own, *map(_parent, parents))]
    return pl.DataFrame(causes, schema=STALE_RESULTS.schema)


def current(found: pl.DataFrame) -> pl.DataFrame:
    """Stale results that policies make again: the newest of each asset, for a cause of its own."""
    return found.filter(pl.col("current"))


def listed(found: pl.DataFrame) -> pl.DataFrame:
    """Stale results that are listed for people: earlier cutoffs, and what only they make stale."""
    return found.filter(~pl.col("current"))


def cause_of(found: pl.DataFrame, result: str) -> tuple[str, str] | None:
    """Say for a policy why the newest of an asset is to be made again.

    Parameters
    ----------
    found
        As from `stale`.
    result
        The asset.

    Returns
    -------
    tuple or None
        A key that is the same as long as the cause is, and the cause in words; None without a cause of its
        own: what comes of a parent comes with the parent's run.
    """
    own = current(found).filter((pl.col("result") == result) & (pl.col("cause") != "parent"))
    if own.is_empty():
        return None
    # The version that was read is in it: the same correction of what was made again since is another cause.
    return f"{own['partition'][0]}:{fingerprint(own)[:16]}", "; ".join(own["why"])


def _rows(entry: dict[str, Any]) -> dict[str, Any]:
    where = f" of {entry['exchange']}" if entry["exchange"] else ""
    days = f", {entry['first_date']} to {entry['last_date']}" if entry["first_date"] else ""
    count = "1 row differs" if entry["rows"] == 1 else f"{entry['rows']} rows differ"
    return {**entry, "cause": "rows", "why": f"{entry['table']}{where}: {count}{days}"}


def _parent(parent: Key) -> dict[str, Any]:
    name = " ".join(part for part in parent if part)
    return {"cause": "parent", "table": name, "why": f"{name}, which it is made from, is stale"}


def _cause(one: Result, due: bool, cause: dict[str, Any]) -> dict[str, Any]:
    blank = {"exchange": "", "first_date": None, "last_date": None, "rows": 0, "lake_version": None}
    return {**blank, **cause, "result": one.name, "partition": one.partition, "current": due}
