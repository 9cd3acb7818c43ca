"""Which sessions' inputs can have changed, by what was committed to the tables they are read from.

What does not belong here: asking for runs (`assets/automation.py`), bars (a load of quotes builds its own
sessions' inputs).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.inputs.decisions import moments
from lim_pipelines.inputs.registry import BLOCKS
from lim_pipelines.lake import Lake
from lim_pipelines.modalities import NodeEncoder
from lim_pipelines.modalities.store import NODES, Vectors
from lim_pipelines.schemas import ENTITY_LINKS, VALIDATED_BARS, Table

TABLES: dict[str, Table] = {
    table.name: table for block in BLOCKS.values() for table in block.tables if table is not VALIDATED_BARS
}
"""What inputs are read from, beside bars."""


@dataclass(frozen=True)
class Stale:
    """Sessions of an exchange whose inputs can have changed.

    Parameters
    ----------
    exchange
        Market identifier.
    first, last
        Sessions, both included.
    reason
        Which tables brought it, for people.
    """

    exchange: str
    first: date
    last: date
    reason: str


def versions(lake: Lake) -> dict[str, int]:
    """Return the present version of every table of `TABLES`."""
    return {name: lake.version(table) for name, table in TABLES.items()}


def learnt(vectors: Path) -> dict[str, str]:
    """Return what the nodes of every cutoff were learnt from: moment (ISO 8601) to digest."""
    stored = Vectors(vectors).stored(NODES, NodeEncoder())
    cutoffs = (
        stored.group_by("known_at").agg(pl.col("content").unique().sort().str.join(" ")).sort("known_at")
    )
    return {moment.isoformat(): content for moment, content in cutoffs.iter_rows()}


def relearnt(seen: dict[str, str], now: dict[str, str]) -> datetime | None:
    """Return the first cutoff whose nodes are new, gone or learnt from other edges."""
    changed = [moment for moment, _ in seen.items() ^ now.items()]
    return min(map(datetime.fromisoformat, changed), default=None)


def stale(
    lake: Lake, seen: dict[str, int], now: dict[str, int], nodes: datetime | None = None
) -> list[Stale]:
    """Find sessions whose inputs can have changed since versions that were seen.

    A row that is new, gone or different concerns the decisions from the moment it is known on, to the newest:
    what it says holds until something newer does, and scales look back for years.

    Parameters
    ----------
    lake
        Lake to read.
    seen, now
        Versions of the tables: those that the inputs were built from, and those that are looked at.
    nodes
        As from `relearnt`: nodes are learnt after the sessions that read them have been built.

    Returns
    -------
    list of Stale
        At most one an exchange that has daily bars, in alphabetical order.
    """
    exchanges = _exchanges(lake)
    since: dict[str, tuple[datetime, set[str]]] = (
        {} if nodes is None else {mic: (nodes, {NODES.name}) for mic in exchanges}
    )
    for name, table in TABLES.items():
        rows = _news(lake, table, seen.get(name, -1), now[name])
        if rows.is_empty():
            continue
        for mic, moment in _concerned(lake, table, rows, list(exchanges)).items():
            earliest, names = since.get(mic, (moment, set()))
            since[mic] = (min(earliest, moment), names | {name})
    found = []
    for mic, (moment, names) in sorted(since.items()):
        first, last = exchanges[mic]
        hit = moments(mic, first, last).filter(pl.col("decided_at") >= moment)["date"]
        if len(hit):
            found.append(Stale(mic, hit[0], last, ", ".join(sorted(names))))
    return found


def _exchanges(lake: Lake) -> dict[str, tuple[date, date]]:
    """First and last session with daily bars of every real exchange."""
    bars = lake.revisions(VALIDATED_BARS, pl.col("freq") == "1d").group_by("exchange")
    spans = bars.agg(first=pl.col("date").min(), last=pl.col("date").max()).collect()
    return {mic: (first, last) for mic, first, last in spans.iter_rows() if not get_exchange(mic).simulated}


def _news(lake: Lake, table: Table, seen: int, now: int) -> pl.DataFrame:
    """Rows that are in one of two versions and not, or not like that, in the other."""
    if now <= seen:
        return table.empty()
    changed = lake.changed_since(table, seen).lazy()
    keys = list(table.partition_key)
    new = lake.revisions(table).join(changed, on=keys, how="semi").collect()
    if seen < 0 or not lake.has_version(table, seen):
        return new  # Nobody can tell any more what was there: all of it may be news.
    old = lake.revisions(table, version=seen).join(changed, on=keys, how="semi").collect()
    # Where a row came from changes no input.
    content = [name for name in table.columns if name not in ("file", "line")]
    gone = old.join(new, on=content, how="anti", nulls_equal=True)
    return pl.concat([new.join(old, on=content, how="anti", nulls_equal=True), gone])


def _concerned(lake: Lake, table: Table, rows: pl.DataFrame, mics: list[str]) -> dict[str, datetime]:
    """Exchanges with instruments that rows are about, and when the first of the rows became known."""
    if "entity_id" in table.columns:
        named = rows.group_by(parent="entity_id").agg(pl.col("known_at").min())
        links = lake.revisions(ENTITY_LINKS, pl.col("relation") == "issued_by")
        # All instruments that ever were the issuer's: what held when is for the blocks to say.
        children = links.select("child", "parent").unique().collect().join(named, on="parent")
        itself = named.with_columns(child=pl.col("parent").str.strip_prefix("issuer:"))
        about = pl.concat([frame.select("child", "known_at") for frame in (children, itself)])
        mic = pl.col("child").str.split(":").list.first()
        first = dict(about.group_by(mic).agg(pl.col("known_at").min()).iter_rows())
        return {mic: moment for mic, moment in first.items() if mic in mics}
    # Macro series concern everybody; links and relations do, because peers and neighbours count.
    everywhere = rows["known_at"].min()
    assert isinstance(everywhere, datetime)
    return dict.fromkeys(mics, everywhere)
