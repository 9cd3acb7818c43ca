"""When a family of checkpoints is due for its next cutoff, and why not.

What does not belong here: starting runs (`assets/retraining.py`), training. The cause is read from the
lake's own commits, so a file that arrives again with the same content is no cause at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.lake import Lake, midnight, next_cutoff
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS

NEW_SESSIONS = 15
"""New or corrected sessions that make a family due; a month of trading has 19 to 23."""


@dataclass(frozen=True)
class Plan:
    """Whether a family is due.

    Parameters
    ----------
    due
        Whether to train.
    cutoff
        Newest cutoff to train: the first after the newest session, or this month's.
    first
        First cutoff to train: the one after the last that is trained, or `cutoff`.
    reason
        Why, or why not, for people.
    key
        Run key: the same cause never asks twice, also when the run fails.
    """

    due: bool
    cutoff: date
    first: date
    reason: str
    key: str


def plan(
    lake: Lake, models: Path, config: FoundationConfig, now: datetime, first_cutoff: date, drifted: str = ""
) -> Plan:
    """Decide whether the next cutoff of a family is due.

    Parameters
    ----------
    lake, models
        Where bars and checkpoints lie.
    config
        The family.
    now
        Present moment, UTC; cutoffs in the future are never trained.
    first_cutoff
        First cutoff there is.
    drifted
        Id of a failed drift check that has not been answered yet; empty if there is none.
    """
    version = lake.version(VALIDATED_BARS)
    known = _rows_of(config) & (pl.col("known_at") <= now)
    last = lake.revisions(VALIDATED_BARS, known).select(pl.col("date").max()).collect().item()
    if last is None:
        return Plan(
            False, first_cutoff, first_cutoff, f"no validated bars on {', '.join(config.exchanges)} yet", ""
        )
    # By session, not by publication: a correction of old data that arrives today makes no new month.
    cutoff = max(first_cutoff, min(next_cutoff(last), now.date().replace(day=1)))
    trained = [day for day in checkpoint.cutoffs(models, config.name) if day <= cutoff]
    watermark, counted = -1, "sessions and no checkpoint yet"
    folder = checkpoint.resolve(models, config.name, trained[-1]) if trained else None
    if folder is not None:
        watermark = checkpoint.read_meta(folder).data.lake_version
        counted = f"new or corrected sessions since the checkpoint of {trained[-1]}"
    sessions = _sessions_since(lake, config, watermark, cutoff, trained[-1] if trained else None)
    first = next_cutoff(trained[-1]) if trained and trained[-1] < cutoff else cutoff
    key = f"{config.name}@{cutoff}@lake{version}"
    if sessions >= NEW_SESSIONS:
        return Plan(True, cutoff, first, f"{sessions} {counted} (needs {NEW_SESSIONS})", key)
    if drifted and (not trained or trained[-1] < cutoff or sessions):
        reason = f"the drift check failed; {sessions} {counted}"
        return Plan(True, cutoff, first, reason, f"{key}@drift{drifted}")
    return Plan(False, cutoff, first, f"{sessions} of {NEW_SESSIONS} {counted}", key)


def _rows_of(config: FoundationConfig) -> pl.Expr:
    """Rows that a family is trained on; longer bars are made from the daily ones."""
    stored = {freq if freq != "1w" else "1d" for freq in config.freqs}
    return (
        pl.col("exchange").is_in(config.exchanges)
        & pl.col("freq").is_in(sorted(stored))
        & pl.col("asset_class").is_in(config.asset_classes)
        & pl.col("price_type").is_in(ONE_PRICE)
    )


def _sessions_since(
    lake: Lake, config: FoundationConfig, watermark: int, cutoff: date, trained: date | None
) -> int:
    """Sessions that a training at `cutoff` would see and the checkpoint of `trained` did not.

    Seen by neither counts for nothing: a session after the cutoff, a correction that arrived after it.
    """
    here = _rows_of(config)
    rows = lake.revisions(VALIDATED_BARS, here & (pl.col("known_at") <= midnight(cutoff)))
    if trained is not None:
        later = pl.col("known_at") > midnight(trained)
        news = [rows.filter(later)]
        committed = lake.changed_since(VALIDATED_BARS, watermark)
        if committed.height:
            # Committed since: the checkpoint read the version before, as of its own cutoff.
            earlier = rows.filter(~later).join(committed.lazy(), on=["exchange", "date"], how="semi")
            if lake.has_version(VALIDATED_BARS, watermark):
                seen = lake.revisions(VALIDATED_BARS, here & ~later, version=watermark)
                names = VALIDATED_BARS.schema.names()
                earlier = earlier.join(seen, on=names, how="anti", nulls_equal=True)
            # Else nobody can tell any more what the checkpoint read: all of it may be news.
            news.append(earlier)
        rows = pl.concat(news)
    return int(rows.select(pl.col("date").n_unique()).collect().item())
