"""Doing a step again in the past: the library's own step, whose writes are kept in memory.

What does not belong here: comparing what comes of it (`compare.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import polars as pl

from lim_pipelines.lake import Commit, Lake
from lim_pipelines.lake.partitions import as_scope, refuse_strays
from lim_pipelines.lake.past import Past
from lim_pipelines.schemas import RELEASES, VALIDATED_BARS, Table


class Rehearsal(Past):
    """A past that takes what is written to it, and shows it to nobody.

    A step reads what was known at the moment, and what it writes can be asked for afterwards. It finds the
    partitions that it writes empty: nothing of what is audited can slip into its own proof. But partitions of
    validated bars of which people released something: the gate lets what was published before the release
    keep its `known_at`, so it finds what was published of them by the moment.

    Parameters
    ----------
    lake, moment
        As for `Past`.
    only
        Table name to the partitions of it that exist, for steps that take whole tables.
    """

    def __init__(self, lake: Lake, moment: datetime, only: Mapping[str, pl.DataFrame] | None = None) -> None:
        super().__init__(lake, moment)
        self._only = only or {}
        self._written: dict[str, list[pl.DataFrame]] = {}
        self._versions: dict[str, int] = {}

    def version(self, table: Table) -> int:
        """Version of the table when it was first asked for.

        Other runs commit while the step is done again, and that is no news in the past: a step that judges
        again what was overtaken (`newest.moved`) would look for it in the log, which a past refuses.
        """
        return self._versions.setdefault(table.name, super().version(table))

    def revisions(
        self, table: Table, where: pl.Expr | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        """Read all revisions as `Past.revisions`, of the partitions that exist."""
        rows = super().revisions(table, where, version)
        scope = self._only.get(table.name)
        return rows if scope is None else rows.join(scope.lazy(), on=scope.columns, how="semi")

    def written(self, table: Table) -> pl.DataFrame:
        """All rows written to a table so far, sorted by row key."""
        return table.conform(pl.concat([table.empty(), *self._written.get(table.name, [])]))

    def write(self, table: Table, frame: pl.DataFrame, scope: pl.DataFrame) -> Commit:
        """Keep what would be written.

        Raises
        ------
        SchemaError, ValueError
            As `Lake.write`.
        """
        return self.update(table, scope, lambda _: frame)

    def update(
        self, table: Table, scope: pl.DataFrame, merge: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> Commit:
        """Keep what would be made of partitions that are empty, or that people released something of.

        Raises
        ------
        SchemaError, ValueError
            As `Lake.update`.
        """
        scope = as_scope(table, scope)
        frame = table.conform(merge(self._published(scope) if table is VALIDATED_BARS else table.empty()))
        refuse_strays(table, frame, scope)
        self._written.setdefault(table.name, []).append(frame)
        return Commit(-1, frame.select(table.partition_key).unique().sort(table.partition_key), frame)

    def _published(self, scope: pl.DataFrame) -> pl.DataFrame:
        """Return what was published by the moment of partitions that people released something of."""
        on = list(RELEASES.partition_key)
        released = scope.join(self.revisions(RELEASES).select(on).unique().collect(), on=on, how="semi")
        if released.is_empty():
            return VALIDATED_BARS.empty()
        near = pl.col("exchange").is_in(released["exchange"].unique().to_list()) & pl.col("date").is_between(
            released["date"].min(), released["date"].max()
        )
        rows = super().revisions(VALIDATED_BARS, near)
        return VALIDATED_BARS.conform(rows.join(released.lazy(), on=on, how="semi").collect())
