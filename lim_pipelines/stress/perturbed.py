"""The lake with worse data: read only, some tables changed, all others as they are.

Decisions run on it unchanged. What does not belong here: the changes (`perturb.py`, `late.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from lim_pipelines.lake import LATEST, AsOf, Lake, Past, as_of_view
from lim_pipelines.schemas import Table


class Perturbed(Past):
    """A lake as it was known at a moment, with other rows of some tables.

    It can never show a row before the lake itself does: its rows are told apart by the moment at which they
    became known, as those of the lake are.

    Parameters
    ----------
    lake
        The lake.
    moment
        UTC.
    rows
        All that there is of some tables, with all revisions, by the table's name. Tables have `known_at`.
    """

    def __init__(self, lake: Lake, moment: datetime, rows: Mapping[str, pl.DataFrame]) -> None:
        super().__init__(lake, moment)
        known = pl.col("known_at") <= moment
        self._rows = {name: frame.filter(known) for name, frame in rows.items()}

    def read(self, table: Table, *, as_of: AsOf, where: pl.Expr | None = None) -> pl.LazyFrame:
        """Read a table as `Past.read` does."""
        if table.name not in self._rows:
            return super().read(table, as_of=as_of, where=where)
        moment = self.moment if as_of is LATEST else min(as_of, self.moment)
        return _of(as_of_view(self._rows[table.name], moment, table), where)

    def revisions(
        self, table: Table, where: pl.Expr | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        """Read all revisions as `Past.revisions` does."""
        if table.name not in self._rows:
            return super().revisions(table, where, version)
        return _of(self._rows[table.name], where)


def _of(rows: pl.DataFrame, where: pl.Expr | None) -> pl.LazyFrame:
    return rows.lazy() if where is None else rows.lazy().filter(where)
