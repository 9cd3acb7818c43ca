"""The lake as it was known at a moment: read only, and it remembers what it was asked for.

Every function of the library that takes a `Lake` runs on it unchanged. Training is handed the past of its
cutoff and decisions that of their period's end, so whatever they ask for, they can see nothing later; audits
do the library's steps again on it. What does not belong here: those audits (`lim_pipelines/audit`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NoReturn

import polars as pl

from lim_pipelines.lake.point_in_time import LATEST, AsOf
from lim_pipelines.lake.store import Commit, Lake
from lim_pipelines.schemas import (
    ALTERNATIVE_FILES,
    AUDIT_RESULTS,
    BACKTEST_DAILY,
    DRIFT_RESULTS,
    EFFECTIVENESS,
    GATE_RESULTS,
    LANDING_FILES,
    LISTINGS,
    REDO_REQUESTS,
    RELEASES,
    RESULT_READS,
    ROBUSTNESS,
    SCORES,
    STALE_RESULTS,
    TARGETS,
    TRIAL_RETURNS,
    TRIALS,
    UNIVERSALITY,
    Table,
)

CLOCKS: Final = {TARGETS.name: "decided_at"}
"""Column that says since when a row is known, in tables without `known_at`."""

WITHOUT_CLOCK: Final = {
    LANDING_FILES.name: "a ledger of files: which file was read when, no market fact; raw rows have their own"
    " known_at",
    ALTERNATIVE_FILES.name: "a ledger of files, as landing_files",
    GATE_RESULTS.name: "what the gate counted in the stored rows; it is made again from them, and no step of"
    " data or models reads it",
    DRIFT_RESULTS.name: "a report of today; starts a training, whose rows are read as of its cutoff",
    AUDIT_RESULTS.name: "what audits found; nothing but people reads it",
    BACKTEST_DAILY.name: "the end of the line: reports and the leaderboard read it, no decision does",
    SCORES.name: "as backtest_daily",
    TRIALS.name: "a count of all that was ever tried; it only lowers a Sharpe ratio",
    TRIAL_RETURNS.name: "as backtest_daily",
    EFFECTIVENESS.name: "a test of what is there; its page reads it, no step of data or models does",
    UNIVERSALITY.name: "as effectiveness",
    ROBUSTNESS.name: "as effectiveness",
    RESULT_READS.name: "which version of a table a result read: a label, no fact; no decision reads it",
    STALE_RESULTS.name: "a report of today: people and the automation read it",
    REDO_REQUESTS.name: "what people asked for",
}
"""Tables that a `Past` shows as they are today, and why that hides no look-ahead."""

DATED: Final = {
    LISTINGS.name: "which instrument a symbol meant on a day is no news of the future, its own dates say when"
    " it holds (`reference.known_listings`); so today's are shown, without those that begin later and"
    " without the ends that lie later. An undated listing that was registered later is shown, too: the audit"
    " cannot tell whether anybody knew it then",
    RELEASES.name: "a release with `since` = arrival puts history right: a person answers for the rows having"
    " been right when they came, so it is shown at every moment; others from their known_at on",
}
"""Tables of which a `Past` shows some rows known later, and why."""

_MARGIN: Final = timedelta(days=1)
"""A session's date may be one later than UTC's: bars of Monday's futures session come on Sunday evening."""

_INFRASTRUCTURE: Final = ("lim_pipelines.lake.", "lim_pipelines.audit.")


class ReadOnlyError(RuntimeError):
    """Something tried to write to the past, or to read round it."""


@dataclass(frozen=True)
class Read:
    """One read of the lake.

    Parameters
    ----------
    table
        What was read.
    asked
        Moment that the reader named, or `LATEST`; None: all revisions.
    where
        The reader's filter.
    reader
        Module and function that asked, such as `lim_pipelines.finetune.plan.read_inputs`.
    """

    table: Table
    asked: AsOf | None
    where: pl.Expr | None
    reader: str


class Past(Lake):
    """A lake as it was known at a moment.

    Rows known later do not exist, a revision that was superseded later is the newest, and `LATEST` means the
    moment. Tables without `known_at`, and two with dates of their own, are shown as `WITHOUT_CLOCK`, `CLOCKS`
    and `DATED` say.

    Parameters
    ----------
    lake
        The lake; it may be a `Past` itself.
    moment
        UTC.

    Attributes
    ----------
    reads : list[Read]
        All reads so far, in order.
    """

    def __init__(self, lake: Lake, moment: datetime) -> None:
        super().__init__(lake.root, lake.storage_options)
        self.lake = lake
        self.moment = moment
        self.reads: list[Read] = []

    def read(self, table: Table, *, as_of: AsOf, where: pl.Expr | None = None) -> pl.LazyFrame:
        """Read a table as `Lake.read` does, as of the moment named or the past's own, if that is earlier."""
        self.reads.append(Read(table, as_of, where, _reader()))
        until = self.moment if as_of is LATEST else min(as_of, self.moment)
        if table.name == RELEASES.name:
            history = pl.col("since") == "arrival"
            return pl.concat(
                [
                    self.lake.read(table, as_of=until, where=_both(where, ~history)),
                    self.lake.read(table, as_of=LATEST, where=_both(where, history)),
                ]
            )
        if table.name == LISTINGS.name and as_of is LATEST:
            return self._dated(self.lake.read(table, as_of=LATEST, where=where))
        return self.lake.read(table, as_of=until, where=self._by_clock(table, where))

    def revisions(
        self, table: Table, where: pl.Expr | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        """Read all revisions as `Lake.revisions` does, of those known by the past's moment."""
        self.reads.append(Read(table, None, where, _reader()))
        if table.name == LISTINGS.name:
            return self._dated(self.lake.revisions(table, where, version))
        if table.has_revisions:
            known = pl.col("known_at") <= self.moment
            if table.name == RELEASES.name:
                known |= pl.col("since") == "arrival"
            where = _both(where, known)
        return self.lake.revisions(table, self._by_clock(table, where), version)

    def version(self, table: Table) -> int:
        """Version of the table today: only a label of what was read, never a fact."""
        return self.lake.version(table)

    def write(self, table: Table, frame: pl.DataFrame, scope: pl.DataFrame) -> Commit:
        """Refuse.

        Raises
        ------
        ReadOnlyError
            Always.
        """
        self._refuse(f"write {table.name} to")

    def update(
        self, table: Table, scope: pl.DataFrame, merge: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> Commit:
        """Refuse.

        Raises
        ------
        ReadOnlyError
            Always.
        """
        self._refuse(f"write {table.name} to")

    def open(self, table: Table, version: int | None = None) -> NoReturn:
        """Refuse: a log shows rows known later; so do `changed_since` and `has_version`, which open it.

        Raises
        ------
        ReadOnlyError
            Always.
        """
        self._refuse(f"open the log of {table.name} in")

    def file_uris(self, table: Table) -> list[str]:
        """Refuse: files hold rows known later.

        Raises
        ------
        ReadOnlyError
            Always.
        """
        self._refuse(f"list the files of {table.name} in")

    def _refuse(self, what: str) -> NoReturn:
        raise ReadOnlyError(f"{_reader()} tried to {what} the past of {self.moment}; it can only be read")

    def _dated(self, listings: pl.LazyFrame) -> pl.LazyFrame:
        return listings_on(listings, (self.moment + _MARGIN).date())

    def _by_clock(self, table: Table, where: pl.Expr | None) -> pl.Expr | None:
        clock = CLOCKS.get(table.name)
        return where if clock is None else _both(where, pl.col(clock) <= self.moment)


def listings_on(listings: pl.LazyFrame, today: date) -> pl.LazyFrame:
    """Return rows of `LISTINGS` as a day shows them: without those that begin later, and without later ends.

    Parameters
    ----------
    listings
        Rows of `LISTINGS`.
    today
        The day.
    """
    ahead = pl.col("last") > today
    return listings.filter(pl.col("first") <= today).with_columns(
        last=pl.when(~ahead.fill_null(False)).then("last")
    )


def _both(where: pl.Expr | None, condition: pl.Expr) -> pl.Expr:
    return condition if where is None else where & condition


def _reader() -> str:
    """Name the module and function that called the lake from outside it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(_INFRASTRUCTURE):
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"
