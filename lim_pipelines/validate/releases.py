"""Releases: rows and partitions that a person lets through although they fail a blocking rule.

What does not belong here: asking people (`assets/releases.py`), judging rows (`gate.py`), from when released
rows count as known (`since.py`).

A release names what was looked at by its content: other content in its place is judged anew. A release of a
rule waives that rule; a row or partition that fails another one, too, is held back by that one from then on.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Final

import polars as pl

from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import GATE_RESULTS, QUARANTINE, RELEASES, VALIDATED_BARS
from lim_pipelines.sources.quarantine import as_evidence

SINCE: Final = ("arrival", "release")
"""From when released rows count as known; see `RELEASES`."""

WHAT: Final = ["exchange", "date", "rule", "symbol", "content"]
"""Columns of `RELEASES` that say what is released."""


def released(lake: Lake, scope: pl.DataFrame) -> pl.DataFrame:
    """Releases of some partitions.

    Parameters
    ----------
    lake
        Lake to read; it may lack the table.
    scope
        Columns exchange and date.

    Returns
    -------
    pl.DataFrame
        Frame of `RELEASES`, as known today.
    """
    near = pl.col("exchange").is_in(scope["exchange"].unique().to_list()) & pl.col("date").is_between(
        scope["date"].min(), scope["date"].max()
    )
    rows = lake.read(RELEASES, as_of=LATEST, where=near)
    return rows.join(scope.lazy(), on=["exchange", "date"], how="semi").sort(RELEASES.row_key).collect()


def releasable(
    lake: Lake, exchange: str, first: date, last: date, rule: str, symbol: str | None = None
) -> pl.DataFrame:
    """List what a blocking rule holds back of some partitions now, as releases name it.

    Parameters
    ----------
    lake
        Lake to read.
    exchange
        The exchange.
    first, last
        Session dates, both included.
    rule
        A blocking rule of bars, of rows or of partitions.
    symbol
        Instrument id of the rows; None: of all instruments. Rules of partitions know none.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, rule, symbol, content of `RELEASES`, each combination once; none if the rule
        holds nothing there.
    """
    here = (pl.col("exchange") == exchange) & pl.col("date").is_between(first, last)
    mine = here & (pl.col("rule") == rule)
    rows = lake.read(QUARANTINE, as_of=LATEST, where=mine & (pl.col("stage") == "validate"))
    if symbol is not None:
        rows = rows.filter(pl.col("symbol") == symbol)
    found = rows.collect()
    of_rows = found.with_columns(_content_of(found["evidence"])).select(WHAT)
    held = lake.read(
        GATE_RESULTS, as_of=LATEST, where=mine & pl.col("held") & (pl.col("level") == "partition")
    )
    content = lake.read(GATE_RESULTS, as_of=LATEST, where=here & (pl.col("rule") == ""))
    of_partitions = (
        held.select("exchange", "date", "rule", symbol=pl.lit(""))
        .join(content.select("exchange", "date", "content"), on=["exchange", "date"])
        .select(WHAT)
        .collect()
    )
    parts = [of_rows, of_partitions] if symbol is None else [of_rows]
    return pl.concat(parts).unique().sort(WHAT)


def released_rows(frame: pl.DataFrame, blocking: pl.DataFrame, releases: pl.DataFrame) -> pl.DataFrame:
    """Failures of rows that were released.

    Parameters
    ----------
    frame
        Bars that were judged.
    blocking
        Columns row (its place in `frame`), rule and others: rows that fail blocking rules.
    releases
        Frame of `RELEASES`.

    Returns
    -------
    pl.DataFrame
        Those rows of `blocking` that were released, with `since` and `released_at`: when.
    """
    releases = releases.filter(pl.col("symbol") != "")
    near = releases.select("exchange", "date", "rule", "symbol").unique()
    about = frame.select(
        pl.col(name).gather(blocking["row"]).alias(to)
        for name, to in {"exchange": "exchange", "date": "date", "instrument_id": "symbol"}.items()
    )
    named = pl.concat([blocking, about], how="horizontal").join(near, on=near.columns, how="semi")
    evidence = frame[named["row"]].select(as_evidence(list(VALIDATED_BARS.columns))).to_series()
    return (
        named.with_columns(content=_content_of(evidence))
        .join(releases.select(*WHAT, "since", released_at="known_at"), on=WHAT, maintain_order="left")
        .select(*blocking.columns, "since", "released_at")
    )


def released_partitions(
    failed: pl.DataFrame, partitions: pl.DataFrame, releases: pl.DataFrame
) -> pl.DataFrame:
    """Mark failures of partitions that were released.

    Parameters
    ----------
    failed
        Columns exchange, date, rule and others: partitions that fail rules of partitions.
    partitions
        Columns exchange, date, content.
    releases
        Frame of `RELEASES`.

    Returns
    -------
    pl.DataFrame
        Same rows with `released`, and `since` and `released_at` as `released_rows` gives them.
    """
    releases = releases.filter(pl.col("symbol") == "").select(*WHAT, "since", released_at="known_at")
    on = ["exchange", "date", "rule", "content"]
    return (
        failed.join(partitions.select("exchange", "date", "content"), on=["exchange", "date"])
        .join(releases.select(*on, "since", "released_at", released=pl.lit(True)), on=on, how="left")
        .with_columns(pl.col("released").fill_null(False))
        .drop("content")
    )


def _content_of(evidence: pl.Series) -> pl.Series:
    """Hash that a release names a quarantined row by."""
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in evidence]
    return pl.Series("content", hashes, dtype=pl.String)
