"""Bars that a vendor takes back: the file comes again without them.

What does not belong here: bars whose values change (`revisions.py`); files that are deleted, which take
nothing back, because people clean up.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

from lim_pipelines.schemas import RAW_QUOTES


def withdrawn(
    existing: pl.DataFrame,
    incoming: pl.DataFrame,
    rejected: pl.DataFrame,
    accounted: Collection[str],
    arrived_at: datetime,
) -> pl.DataFrame:
    """Revisions that take back bars which their files no longer hold.

    Parameters
    ----------
    existing
        All revisions that are there of some partitions, frame of `RAW_QUOTES`.
    incoming
        All that the sources hold of the same partitions now, frame of `RAW_QUOTES`.
    rejected
        All that was held back in parsing of the same partitions, frame of `QUARANTINE`.
    accounted
        Files whose whole content of these partitions is in `incoming` or `rejected`; not those that are gone,
        refused, or were not read.
    arrived_at
        When `incoming` reached us (UTC).

    Returns
    -------
    pl.DataFrame
        Frame of `RAW_QUOTES`: for each bar whose latest revision came from an accounted file, and that no
        file of its source gives any more, a revision with the values as before and `withdrawn` true, known
        from max(`arrived_at`, just after the latest revision) on. Doing it again finds nothing.

    Notes
    -----
    A bar that may be hidden behind a rejected row is not taken back: one of the same source and exchange with
    the row's date or symbol, or of its file if the row has lost its symbol.
    """
    key, known = list(RAW_QUOTES.key), pl.Series(sorted(accounted), dtype=pl.String).implode()
    # Rows of archives name the file, #, and the name inside.
    accounted_for = pl.col("file").is_in(known) | pl.col("file").str.split("#").list.first().is_in(known)
    missing = existing.filter(accounted_for).join(incoming, on=key, how="anti")
    if missing.is_empty():
        return RAW_QUOTES.empty()
    # Latest of all files: a bar that another file revised since is that file's.
    latest = (
        existing.join(missing, on=key, how="semi")
        .sort(RAW_QUOTES.row_key)
        .unique(key, keep="last", maintain_order=True)
        .filter(~pl.col("withdrawn"), accounted_for)
    )
    doubtful = rejected.filter(pl.col("stage") == "parse", pl.col("rule") != "duplicate_bar")
    for columns in (["source", "exchange", "date"], ["source", "exchange", "symbol"]):
        latest = latest.join(doubtful, on=columns, how="anti")
    nameless = doubtful.filter(pl.col("symbol") == "")
    return (
        latest.join(nameless, on="file", how="anti")
        .with_columns(
            withdrawn=pl.lit(True),
            known_at=pl.max_horizontal(
                pl.lit(arrived_at, RAW_QUOTES.schema["known_at"]),
                pl.col("known_at") + pl.duration(microseconds=1),
            ),
        )
        .select(RAW_QUOTES.schema.names())
    )
