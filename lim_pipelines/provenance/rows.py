"""From rows of a table to the rows and files that they were made of.

What does not belong here: models and what they read (`models.py`), verdicts of the gate on the way
(`held.py`), doing it again (`verify.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.inputs.registry import BLOCKS
from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.provenance.files import Files, landed, open_files
from lim_pipelines.provenance.held import verdicts
from lim_pipelines.provenance.tree import Branch, Node, branch
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import LANDING_FILES, LISTINGS, RAW_QUOTES, TABLES, Table

_BARS = ("exchange", "date", "instrument_id", "freq")
_SHAPES = (("facts", "year"), ("events", "year"), ("texts", "date"))

UPSTREAM: dict[str, dict[str, tuple[str, ...]]] = {
    "aligned_bars": {"raw_quotes": ("exchange", "date", "source", "freq")},
    "validated_bars": {"aligned_bars": _BARS},
    "resampled_bars": {"validated_bars": ("exchange", "date", "instrument_id")},
    "continuous_futures": {"validated_bars": ("exchange", "date"), "futures_rolls": ("exchange",)},
    "gate_results": {"aligned_bars": ("exchange", "date")},
    "drift_results": {"validated_bars": ("exchange",)},
    "aligned_macro": {"raw_macro": ("series_id",)},
    "validated_macro": {"aligned_macro": ("series_id",)},
    **{f"aligned_{shape}": {f"raw_{shape}": ("source", cut), "entity_links": ()} for shape, cut in _SHAPES},
    **{f"validated_{shape}": {f"aligned_{shape}": ("source", cut, "entity_id")} for shape, cut in _SHAPES},
    "aligned_relations": {"raw_relations": ("source", "year"), "entities": ()},
    "validated_relations": {"aligned_relations": ("source", "year")},
    **{
        name: {"raw_claims": (), "listings": (), "index_members": ()}
        for name in ("entities", "entity_links", "link_reviews")
    },
    "input_scales": {"model_inputs": ("exchange", "date", "block")},
}
"""Table to the tables that its rows are made of, and the columns by which rows find theirs; without any, all
rows known by then count. What has a column `file` comes from files."""


_STAGES = {
    "validated_bars": ("validate", "publish"),
    "aligned_bars": ("align",),
    "raw_quotes": ("parse",),
}
"""Table of bars to the stages of the quarantine that hold back what is not in it."""

_NAMED = 8
"""Values of a column that are named; more are counted."""


@dataclass(frozen=True)
class Slice:
    """Rows of a table.

    Parameters
    ----------
    table
        The table.
    rows
        Its rows, all columns.
    known_by
        Moment up to which they were known; None is now.
    facts
        What else is to be said of them.
    """

    table: Table
    rows: pl.LazyFrame
    known_by: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class RowTracer:
    """Follows rows up to raw files.

    Parameters
    ----------
    lake
        The lake.
    landing
        The landing folder.
    """

    def __init__(self, lake: Lake, landing: Path) -> None:
        self.lake = lake
        self.landing = landing
        self._files: Files | None = None

    @property
    def files(self) -> Files:
        """Vendors' files; the ledger is read once."""
        if self._files is None:
            self._files = open_files(self.landing, self.lake.revisions(LANDING_FILES))
        return self._files

    def node(self, part: Slice, title: str = "", identity: str = "") -> Node:
        """Describe rows of a table and what they were made of.

        Parameters
        ----------
        part
            The rows.
        title
            First words; the table's name if empty.
        identity
            As of `Node`.
        """
        counted = _count(part)
        facts = {**part.facts, **counted}
        if not counted["rows"]:
            return Node(f"{title or part.table.name}: no rows", part.facts, "the lake holds none of them now")
        branches = self._held(part)
        made_of = {one.table.name: one for one in self.upstream(part)}
        if made_of:
            branches.append(
                Branch("tables", list(made_of), lambda name: self.node(made_of[name]), shown=len(made_of))
            )
        elif "file" in part.table.columns:
            branches.append(self._from_files(part))
        branches += self._partitions(part) if title else []
        return Node(title or part.table.name, facts, branches=tuple(branches), identity=identity)

    def exact(self, table: Table, where: pl.Expr, title: str) -> Node:
        """Describe the rows of some partitions, with the content hash of all their revisions.

        Where nothing was published, what lies before it is described all the same.
        """
        rows = self.lake.revisions(table, where).sort(table.row_key).collect()
        facts = {"version": self.lake.version(table), "fingerprint": fingerprint(rows)}
        if rows.height:
            return self.node(Slice(table, rows.lazy(), facts=facts), title)
        before = [TABLES[name] for name in UPSTREAM.get(table.name, ())]
        before = [one for one in before if one.partition_key == table.partition_key]
        aligned = self.lake.revisions(before[0], where) if before else None
        held = (
            verdicts(self.lake, aligned, _STAGES[table.name])
            if aligned is not None and table.name in _STAGES
            else []
        )
        known = [self.exact(one, where, one.name) for one in before]
        return Node(
            title,
            facts,
            "the lake holds no rows of it",
            (*held, *([branch("tables", known)] if known else [])),
        )

    def upstream(self, part: Slice) -> list[Slice]:
        """Find the rows of other tables that some rows are made of, or may have been."""
        if part.table.name == "model_inputs":
            blocks = part.rows.select(pl.col("block").unique()).collect()["block"]
            tables = {table.name: table for block in blocks for table in BLOCKS[block].tables}
            decided = part.rows.select(pl.col("known_at").max()).collect().item()
            return [self._known(tables[name], decided) for name in sorted(tables)]
        found = []
        for name, on in UPSTREAM.get(part.table.name, {}).items():
            table = TABLES[name]
            if table is LISTINGS:
                found.append(Slice(table, known_listings(self.lake).lazy(), part.known_by))
            elif self.lake.version(table) < 0:
                continue
            elif table is RAW_QUOTES:
                found.append(Slice(table, self._raw_quotes(part, on), part.known_by))
            elif on:
                found.append(Slice(table, self._matching(table, part, on), part.known_by))
            else:
                found.append(self._known(table, part.known_by))
        return found

    def _known(self, table: Table, moment: datetime | None) -> Slice:
        rows = self.lake.revisions(table, None if moment is None else pl.col("known_at") <= moment)
        return Slice(table, rows, moment)

    def _matching(self, table: Table, part: Slice, on: Sequence[str]) -> pl.LazyFrame:
        keys = part.rows.select(on).unique().collect()
        near = [pl.col(name).is_between(pl.lit(keys[name].min()), pl.lit(keys[name].max())) for name in on]
        rows = self.lake.revisions(table, pl.all_horizontal(near)).join(keys.lazy(), on=on, how="semi")
        return rows if part.known_by is None else rows.filter(pl.col("known_at") <= part.known_by)

    def _raw_quotes(self, part: Slice, on: Sequence[str]) -> pl.LazyFrame:
        """Vendors' rows of the same instruments, by the listings that say what their symbols mean."""
        rows = self._matching(RAW_QUOTES, part, on)
        who = ["exchange", "source", "instrument_id"]
        symbols = known_listings(self.lake).lazy().join(part.rows.select(who).unique(), on=who, how="semi")
        return rows.join(symbols, on=["exchange", "source", "symbol"], how="semi")

    def _partitions(self, part: Slice) -> list[Branch]:
        key = list(part.table.partition_key)
        if "date" not in key:
            return []
        found = part.rows.group_by(key).len().sort(key[::-1]).collect()
        if found.height < 2:
            return []
        names = {"|".join(str(row[name]) for name in key[::-1]): row for row in found.iter_rows(named=True)}

        def make(name: str) -> Node:
            return Node(f"{part.table.name}@{name}", {"rows": names[name]["len"]})

        return [Branch("partitions", list(names), make, shown=0)]

    def _held(self, part: Slice) -> list[Branch]:
        stages = _STAGES.get(part.table.name)
        return [] if stages is None else verdicts(self.lake, part.rows, stages)

    def _from_files(self, part: Slice) -> Branch:
        clock = next(
            (name for name in ("date", "ts", "ex_date", "first") if name in part.table.columns), None
        )
        span = (
            [] if clock is None else [pl.col(clock).min().alias("first"), pl.col(clock).max().alias("last")]
        )
        per_file = part.rows.group_by("file").agg(pl.len().alias("rows used"), *span).collect()
        lines: dict[str, dict[str, Any]] = {}
        for row in per_file.sort("file").iter_rows(named=True):
            path = landed(row.pop("file"))
            # Files of one archive count together.
            before = lines.setdefault(path, row)
            if before is not row:
                before["rows used"] += row["rows used"]
                if clock is not None:
                    before["first"] = min(before["first"], row["first"])
                    before["last"] = max(before["last"], row["last"])
        return Branch("files", list(lines), lambda path: self.files.node(path, lines[path]))


def _count(part: Slice) -> dict[str, Any]:
    """Say how many rows there are, of what and from when to when."""
    columns = part.table.columns
    cut = next((name for name in ("date", "ts") if name in columns), None)
    asked = [pl.len().alias("rows")]
    if cut is not None:
        asked += [pl.col(cut).min().alias("first"), pl.col(cut).max().alias("last")]
    if part.table.has_revisions:
        asked.append(pl.struct(part.table.key).n_unique().alias("facts"))
    sets = [
        name for name in ("exchange", "freq", "source", "series_id", "block", "relation") if name in columns
    ]
    found = part.rows.select(*asked, *(pl.col(name).unique().implode() for name in sets)).collect()
    out = found.row(0, named=True)
    revisions = out["rows"] - out.pop("facts", out["rows"])
    for name in sets:
        values = sorted(out.pop(name))
        out[name] = values if len(values) <= _NAMED else f"{len(values)} of them"
    if revisions:
        out["of them revisions"] = revisions
    return {name: value for name, value in out.items() if value is not None}
