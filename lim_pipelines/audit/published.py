"""Whether `known_at` itself can be true: laws of publication, as data, beside the code that sets it.

Recomputation takes `known_at` at its word. Here rows are held against what is known of the world: when the
session closed, how long a feed, a filing, a statistics office takes at the least, when a file arrived. A law
proves that a moment is too early, never that it is late enough. What does not belong here: lags that set
`known_at` (`sources/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from lim_pipelines.audit.compare import quote
from lim_pipelines.audit.offices import OFFICE_TAKES
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.exchanges import EXCHANGES, sessions
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    INPUT_SCALES,
    LANDING_FILES,
    MODEL_INPUTS,
    RAW_QUOTES,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
    Table,
)


@dataclass(frozen=True)
class Law:
    """What must hold of each row.

    Parameters
    ----------
    name
        For findings.
    table
        Table whose rows it is about.
    asset
        Asset that the verdict is of.
    holds
        True where a row obeys; null counts as disobeying.
    because
        Why no row can disobey.
    """

    name: str
    table: Table
    asset: str
    holds: pl.Expr
    because: str


FILING_TAKES: Final = timedelta(days=2)
"""No company has filed a quarter's or a year's figures sooner after the period; the fastest take about ten
days."""

_LAG = pl.col("exchange").replace_strict(
    {mic: exchange.feed_lag for mic, exchange in EXCHANGES.items()}, return_dtype=pl.Duration("us")
)
_DECISION_LAG = pl.col("exchange").replace_strict(
    {mic: exchange.decision_lag for mic, exchange in EXCHANGES.items()}, return_dtype=pl.Duration("us")
)
_FILED = pl.col("form").str.starts_with("10-").fill_null(pl.col("period") != "instant")
"""Annual and quarterly reports; where no form is named, figures of a period, which only a report gives."""

_KNOWN, _TS = pl.col("known_at"), pl.col("ts")
_AFTER: Final = "nothing is known before the moment it describes"

LAWS: Final[tuple[Law, ...]] = (
    Law(
        "feed_lag",
        VALIDATED_BARS,
        "validated_bars",
        _KNOWN >= _TS + _LAG,
        "a bar has ended, and the feed takes its time, before anybody has it",
    ),
    Law(
        "session_close",
        VALIDATED_BARS,
        "validated_bars",
        (pl.col("freq") != "1d") | (pl.col("session_close") <= _KNOWN),
        "a session's bar is known once the calendar says that the session is over, in whatever zone the file"
        " was written; a day without a session has no bar",
    ),
    Law(
        "office",
        VALIDATED_MACRO,
        "validated_macro",
        _TS + pl.col("series_id").replace_strict(OFFICE_TAKES, default=None, return_dtype=pl.Duration("us"))
        <= _KNOWN,
        "a period is over, and the office takes its time (OFFICE_TAKES in lim_pipelines/audit/offices.py,"
        " where a series must have its lower bound), before its value is out",
    ),
    Law(
        "filing",
        VALIDATED_FACTS,
        "validated_facts",
        ~_FILED | (_KNOWN >= _TS + FILING_TAKES),
        "a period is over, and the books are closed, before it is filed",
    ),
    Law("figure", VALIDATED_FACTS, "validated_facts", _KNOWN >= _TS, _AFTER),
    Law(
        "event",
        VALIDATED_EVENTS,
        "validated_events",
        pl.col("kind").str.ends_with("scheduled") | (_KNOWN >= _TS),
        f"{_AFTER}, unless it was announced",
    ),
    Law("text", VALIDATED_TEXTS, "validated_texts", _KNOWN >= _TS, _AFTER),
    Law("relation", VALIDATED_RELATIONS, "validated_relations", _KNOWN >= _TS, _AFTER),
    Law(
        "decision",
        MODEL_INPUTS,
        "model_inputs",
        (pl.col("session_close") + _DECISION_LAG <= _KNOWN) & (pl.col("newest") <= _KNOWN).fill_null(True),
        "a session's inputs are known when it decides, and are made of what was known then",
    ),
    Law(
        "fit",
        INPUT_SCALES,
        "model_inputs",
        (pl.col("fitted_last") <= _KNOWN).fill_null(True),
        "a scale is fitted on what was known when it is used",
    ),
)
"""Laws that need nothing but the table and the calendar."""

ARRIVAL: Final = Law(
    "arrival",
    RAW_QUOTES,
    "raw_quotes",
    pl.col("_arrived") <= _KNOWN,
    "what a feed delivers is known when the file arrives; only what is declared history is older",
)
"""The law of files."""

CORRECTION: Final = Law(
    "correction",
    RAW_QUOTES,
    "raw_quotes",
    pl.col("_arrived") <= _KNOWN,
    "the n-th revision of a bar in a file comes with the file's n-th content; only a reader that was changed"
    " gives one without",
)
"""The law of corrections."""

_LANDED = (
    pl.when(pl.col("file").str.contains("://", literal=True))
    .then("file")
    .otherwise(pl.col("file").str.split("#").list.first())
    .alias("_file")
)
"""The file that came, of one inside an archive."""

REMEDY: Final = (
    "Correct the reader in lim_pipelines/sources that sets known_at (its zone, its lag), or the file, and"
    " load it again"
)


def audit_published(
    lake: Lake, asset: str, where: pl.Expr | None = None, partition: str = ""
) -> list[Verdict]:
    """Hold the rows of an asset against all laws about them.

    Parameters
    ----------
    lake
        The lake.
    asset
        Asset of some of `LAWS`.
    where
        Filter of the rows, such as a run's partitions; None: all.
    partition
        Partition of the verdict.

    Returns
    -------
    list of Verdict
        One, or none if there are no rows.
    """
    held = []
    for law in LAWS:
        if law.asset == asset:
            rows = lake.revisions(law.table, where)
            if "session_close" in law.holds.meta.root_names():
                rows = _with_close(rows)
            held.append(_held_against(law, rows))
    return _together(asset, partition, held)


def audit_arrivals(lake: Lake, where: pl.Expr | None = None, partition: str = "") -> list[Verdict]:
    """Hold raw quotes against the ledger of landed files: a feed's rows are known no sooner than its file.

    Parameters
    ----------
    lake, where, partition
        As for `audit_published`, of `RAW_QUOTES`.
    """
    rows = lake.revisions(RAW_QUOTES, where).with_columns(_LANDED)
    first = _contents(lake).group_by("_file").agg(_arrived=pl.col("_arrived").min())
    return _together(ARRIVAL.asset, partition, [_held_against(ARRIVAL, rows.join(first, on="_file"))])


def audit_corrections(lake: Lake) -> list[Verdict]:
    """Hold corrections against the ledger: a file's second word on a bar came with its second content.

    Of the contents of a file none says a bar twice, so the n-th revision of a bar came with the n-th of them
    at the earliest; but for one that a changed reader gave. All raw quotes are ranked, so it is no audit for
    a run.

    Parameters
    ----------
    lake
        The lake.
    """
    nth = pl.col("_arrived").rank("ordinal").over("_file").alias("_nth")
    which = pl.col("known_at").rank("ordinal").over(*RAW_QUOTES.key, "_file").alias("_nth")
    rows = lake.revisions(RAW_QUOTES).with_columns(_LANDED).with_columns(which)
    contents = _contents(lake).with_columns(nth).filter(pl.col("_nth") > 1)
    return _together(
        CORRECTION.asset,
        "corrections",
        [_held_against(CORRECTION, rows.join(contents, on=["_file", "_nth"]))],
    )


def _contents(lake: Lake) -> pl.LazyFrame:
    """Contents of feeds' files and when they arrived."""
    ledger = lake.revisions(LANDING_FILES, ~pl.col("history"))
    return ledger.group_by("sha256", _file="path").agg(_arrived=pl.col("arrived_at").min())


def _with_close(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add the close of each row's session, by the calendar alone; null where there is none."""
    spans = rows.group_by("exchange").agg(first=pl.col("date").min(), last=pl.col("date").max()).collect()
    grids = [pl.DataFrame(schema={"exchange": pl.String, "date": pl.Date, "session_close": _TS_TYPE})]
    for mic, first, last in spans.sort("exchange").iter_rows():
        assert isinstance(first, date)
        grid = sessions(mic, first, last).select("date", session_close="close")
        grids.append(grid.select(pl.lit(mic).alias("exchange"), "date", "session_close"))
    return rows.join(pl.concat(grids).lazy(), on=["exchange", "date"], how="left")


_TS_TYPE: Final = VALIDATED_BARS.schema["ts"]


@dataclass(frozen=True)
class _Count:
    rows: int
    broken: int
    newest: datetime | None
    finding: str


def _held_against(law: Law, rows: pl.LazyFrame) -> _Count:
    bad = ~pl.col("_good").fill_null(False)
    judged = rows.with_columns(_good=law.holds)
    count, broken, newest = (
        judged.select(rows=pl.len(), broken=bad.sum(), newest=pl.col("known_at").max())
        # An archive has more rows than memory.
        .collect(engine="streaming")
        .row(0)
    )
    if not broken:
        return _Count(count, 0, newest, "")
    first = judged.filter(bad).sort(law.table.row_key).head(1).select(law.table.row_key).collect()
    return _Count(
        count,
        broken,
        newest,
        f"{broken} of {count} rows of {law.table.name} are known too early by the law {law.name}, such as"
        f" {quote(first.row(0, named=True))}: {law.because}",
    )


def _together(asset: str, partition: str, held: list[_Count]) -> list[Verdict]:
    moments = [one.newest for one in held if one.newest is not None]
    if not moments:
        return []
    findings = [one.finding for one in held if one.finding]
    finding = f"{'; '.join(findings)}. {REMEDY}" if findings else ""
    rows, broken = (sum(numbers) for numbers in ((o.rows for o in held), (o.broken for o in held)))
    return [Verdict(asset, partition, "publication", max(moments), rows, broken, finding)]
