"""Which exchanges and dates are to be loaded, from what the ledger has learnt.

What does not belong here: asking for runs and repeating them (`assets/arrivals.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.landing.survey import PRESENT, REPLACED
from lim_pipelines.schemas import LANDING_FILES
from lim_pipelines.sources.base import QUARANTINE_AS

APART = timedelta(days=31)
"""Dates of files that lie further apart are loaded by runs of their own: empty days cost a partition each."""


SPAN = {"exchange": pl.String, "first_date": pl.Date, "last_date": pl.Date, "reason": pl.String}
"""What is to be loaded: sessions of an exchange, first to last, and why."""


@dataclass(frozen=True)
class Load:
    """A rectangle to load: one exchange, a range of sessions.

    Parameters
    ----------
    exchange
        Market identifier.
    first, last
        Sessions, both included.
    reason
        Digest of the contents that are the reason.
    """

    exchange: str
    first: date
    last: date
    reason: str


def news(lake: Lake, version: int) -> pl.DataFrame:
    """Contents that the ledger has learnt since a version.

    Parameters
    ----------
    lake
        The lake.
    version
        Version of `LANDING_FILES` that was seen last; -1 for none. If it can no longer be read, everything
        is news: loading what is there already changes nothing.

    Returns
    -------
    pl.DataFrame
        Columns of `SPAN`, one row a content and exchange: new contents and those that are back, and the
        contents that they replace, because a bar may have been withdrawn. Files that were only touched,
        taken away or refused are no news. What `load_alternative` reads (alternative data, macro series,
        facts about instruments, decisions) stands under the exchange `QUARANTINE_AS`, and may have no dates;
        a refused file of it is news, because its load says why.
    """
    if 0 <= version == lake.version(LANDING_FILES):
        return pl.DataFrame(schema=SPAN)
    now = lake.revisions(LANDING_FILES).collect()
    before = LANDING_FILES.empty()
    if 0 <= version <= lake.version(LANDING_FILES) and lake.has_version(LANDING_FILES, version):
        before = lake.revisions(LANDING_FILES, version=version).collect()
    key = list(LANDING_FILES.partition_key)
    alternative = pl.col("exchange") == QUARANTINE_AS
    now, before = (frame.filter((pl.col("rule") == "") | alternative) for frame in (now, before))
    fresh = now.filter(pl.col("state") == PRESENT).join(
        before.filter(pl.col("state") != REPLACED), on=key, how="anti"
    )
    # What was replaced since, and what was replaced last, which may have been while a refused file was there.
    earlier = now.filter(pl.col("state") == REPLACED).join(fresh, on="path", how="semi")
    since = earlier.join(before.filter(pl.col("state") == REPLACED), on=key, how="anti")
    last = earlier.filter(pl.col("arrived_at") == pl.col("arrived_at").max().over("path"))
    found = pl.concat([fresh, since, last]).unique(LANDING_FILES.key)
    reason = pl.concat_str("path", "sha256", pl.col("arrived_at").cast(pl.String), separator="@")
    dated = found.filter((pl.col("exchange") != "") & pl.col("first_date").is_not_null() | alternative)
    return dated.select("exchange", "first_date", "last_date", reason=reason)


def coalesce(spans: pl.DataFrame, first: date, last: date, apart: timedelta) -> list[Load]:
    """Put what is to be loaded into as few rectangles as there are exchanges and far-apart times.

    Parameters
    ----------
    spans
        Frame of `SPAN`.
    first, last
        Dates to look at, both included; what lies outside is cut off.
    apart
        Dates of one exchange that are no further than this from each other share a rectangle.
    """
    inside = (
        spans.filter(pl.col("first_date") <= last, pl.col("last_date") >= first)
        .with_columns(pl.col("first_date", "last_date").clip(first, last))
        .sort("exchange", "first_date", "last_date", "reason")
    )
    reach = pl.col("last_date").cum_max().shift(1).over("exchange")
    parts = inside.with_columns(
        part=((pl.col("first_date") - reach) > apart).fill_null(False).cum_sum().over("exchange")
    )
    rectangles = parts.group_by("exchange", "part", maintain_order=True).agg(
        pl.col("first_date").min(), pl.col("last_date").max(), "reason"
    )
    return [
        Load(exchange, start, end, digest(reasons))
        for exchange, _, start, end, reasons in rectangles.iter_rows()
    ]


def digest(texts: Iterable[str]) -> str:
    """One short key for many; thousands of files may arrive at once."""
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]
