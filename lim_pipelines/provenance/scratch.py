"""A lake that may be written to without a trace: what is written lies aside, the rest is read from the lake.

What does not belong here: what is made in it (`verify.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from lim_pipelines.lake import AsOf, Commit, Lake
from lim_pipelines.lake.content import changed_partitions
from lim_pipelines.lake.partitions import as_scope
from lim_pipelines.schemas import Table


class Scratch(Lake):
    """A lake over another one, which it only reads.

    Parameters
    ----------
    real
        The lake underneath.
    folder
        Empty folder, for what is written.
    """

    def __init__(self, real: Lake, folder: Path) -> None:
        super().__init__(real.root, real.storage_options)
        self._real = real
        self._aside = Lake(folder)
        self._written: dict[str, pl.DataFrame] = {}

    def forget(self, table: Table, scope: pl.DataFrame) -> None:
        """Treat partitions as if they had never been written.

        Parameters
        ----------
        table
            The table.
        scope
            Its partitions, one row each (the table's partition key).
        """
        self._mark(table, as_scope(table, scope))

    def revisions(
        self, table: Table, where: pl.Expr | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        """Read all revisions, what is written here in the place of what lies underneath."""
        return self._both(
            table, self._real.revisions(table, where, version), self._aside.revisions(table, where)
        )

    def read(self, table: Table, *, as_of: AsOf, where: pl.Expr | None = None) -> pl.LazyFrame:
        """Read as of a moment, what is written here in the place of what lies underneath."""
        return self._both(
            table,
            self._real.read(table, as_of=as_of, where=where),
            self._aside.read(table, as_of=as_of, where=where),
        )

    def write(self, table: Table, frame: pl.DataFrame, scope: pl.DataFrame) -> Commit:
        """Write aside."""
        return self.update(table, scope, lambda _: frame)

    def update(
        self, table: Table, scope: pl.DataFrame, merge: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> Commit:
        """Write aside what becomes of what is there."""
        scope = as_scope(table, scope)
        near = pl.all_horizontal(
            pl.lit(True),
            *(
                pl.col(name).is_between(pl.lit(scope[name].min()), pl.lit(scope[name].max()))
                for name in scope.columns
                if scope.height
            ),
        )
        rows = self.revisions(table, near).join(scope.lazy(), on=scope.columns, how="semi")
        there = rows.sort(table.row_key).collect()
        frame = table.conform(merge(there))
        self._aside.write(table, frame, scope)
        self._mark(table, scope)
        return Commit(self.version(table), changed_partitions(there, frame, table), frame)

    def _mark(self, table: Table, scope: pl.DataFrame) -> None:
        before = self._written.get(table.name)
        self._written[table.name] = scope if before is None else pl.concat([before, scope]).unique()

    def _both(self, table: Table, real: pl.LazyFrame, aside: pl.LazyFrame) -> pl.LazyFrame:
        ours = self._written.get(table.name)
        if ours is None:
            return real
        return pl.concat([real.join(ours.lazy(), on=list(table.partition_key), how="anti"), aside])
