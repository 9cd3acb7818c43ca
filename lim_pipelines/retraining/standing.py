"""How far a family of checkpoints or a strategy's models are, and what came since: counted, not judged.

What does not belong here: what makes a training due (`policies.py`). What came is read from the lake's own
commits, so a file that arrives again with the same content is no news at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from lim_pipelines.finetune import store
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import rows_of_family
from lim_pipelines.lake import Lake, midnight, next_cutoff
from lim_pipelines.schemas import VALIDATED_BARS


@dataclass(frozen=True)
class Standing:
    """How far something that is trained is.

    Parameters
    ----------
    subject
        Name of the family or of the strategy.
    what
        What is trained: checkpoint, or models.
    cutoff
        Newest cutoff that can be trained: the first after the newest session, or this month's.
    first
        First cutoff to train: the one after the last that is trained, or `cutoff`.
    last
        Last cutoff that a run is asked for: `cutoff`, or a later one that decides with the same models.
    trained
        Newest cutoff that is trained; None if there is none.
    sessions
        New or corrected sessions that a training at `cutoff` would see and the newest one did not.
    news
        What these are, in short: the same news since the same training have the same text.
    why_not
        Why nothing can be trained, for people; empty if something can.
    """

    subject: str
    what: str
    cutoff: date
    first: date
    last: date
    trained: date | None
    sessions: int
    news: str
    why_not: str = ""

    @property
    def behind(self) -> bool:
        """Whether the newest cutoff has not been trained."""
        return self.trained is None or self.trained < self.cutoff

    @property
    def counted(self) -> str:
        """What was counted, in words that follow a number."""
        if self.trained is None:
            return f"sessions and no {self.what} yet"
        return f"new or corrected sessions since the {self.what} of {self.trained}"


def of_family(
    lake: Lake, models: Path, config: FoundationConfig, now: datetime, first_cutoff: date
) -> Standing:
    """Say how far a family of checkpoints is.

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
    """
    rows, name = rows_of_family(config), config.name
    newest = newest_cutoff(lake, rows, now)
    if newest is None:
        return _nothing(
            name, "checkpoint", first_cutoff, f"no validated bars on {', '.join(config.exchanges)} yet"
        )
    cutoff = max(first_cutoff, newest)
    trained = _newest_until(models, name, cutoff)
    folder = checkpoint.resolve(models, name, trained) if trained else None
    version, digest = -1, ""
    if folder is not None:
        meta = checkpoint.read_meta(folder)
        version, digest = meta.data.lake_version, meta.input_digest
    sessions, news = _news_since(lake, rows, version, cutoff, trained)
    first = next_cutoff(trained) if trained and trained < cutoff else cutoff
    return Standing(
        name, "checkpoint", cutoff, first, cutoff, trained, sessions, f"{cutoff}:{digest[:12]}:{news}"
    )


def of_strategy(
    lake: Lake, models: Path, spec: ModelSpec, rows: pl.Expr, now: datetime, first_cutoff: date
) -> Standing:
    """Say how far a strategy's models are; they start from a checkpoint of their own cutoff.

    Parameters
    ----------
    lake, models, now, first_cutoff
        As for `of_family`.
    spec
        The strategy.
    rows
        Rows of `VALIDATED_BARS` that its models are fitted on.
    """
    name = spec.name
    newest = newest_cutoff(lake, rows, now)
    if newest is None:
        return _nothing(name, "models", first_cutoff, "no validated bars of its instruments yet")
    last = _newest_until(models, spec.foundation, max(first_cutoff, newest))
    if last is None:
        return _nothing(name, "models", first_cutoff, f"{spec.foundation} has no checkpoint yet")
    if not spec.cadence.begun(last):
        return _nothing(name, "models", last, f"begins at the cutoff of {spec.cadence.first_cutoff}")
    cutoff = spec.cadence.trained_at(last)
    if checkpoint.resolve(models, spec.foundation, cutoff) is None:
        return _nothing(name, "models", cutoff, f"{spec.foundation} has no checkpoint of {cutoff}")
    trained = _newest_until(models, name, cutoff)
    folder = checkpoint.resolve(models, name, trained) if trained else None
    version, digest = -1, ""
    if folder is not None:
        meta = store.read_meta(folder)
        version = next(one.lake_version for one in meta.data if one.table == VALIDATED_BARS.name)
        digest = meta.input_digest
    sessions, news = _news_since(lake, rows, version, cutoff, trained)
    first = next_cutoff(trained) if trained and trained < cutoff else cutoff
    # Cutoffs that go on with the models of before have been decided by them.
    while trained and first < cutoff and spec.cadence.trained_at(first) <= trained:
        first = next_cutoff(first)
    return Standing(name, "models", cutoff, first, last, trained, sessions, f"{cutoff}:{digest[:12]}:{news}")


def newest_cutoff(lake: Lake, rows: pl.Expr, now: datetime) -> date | None:
    """Newest cutoff that some rows of `VALIDATED_BARS` allow: the first after them, or this month's.

    By session, not by publication: a correction of old data that arrives today makes no new month.
    """
    known = rows & (pl.col("known_at") <= now)
    last: date | None = lake.revisions(VALIDATED_BARS, known).select(pl.col("date").max()).collect().item()
    return None if last is None else min(next_cutoff(last), now.date().replace(day=1))


def _nothing(subject: str, what: str, cutoff: date, why_not: str) -> Standing:
    return Standing(subject, what, cutoff, cutoff, cutoff, None, 0, "", why_not)


def _newest_until(models: Path, name: str, cutoff: date) -> date | None:
    return max((day for day in checkpoint.cutoffs(models, name) if day <= cutoff), default=None)


def _news_since(
    lake: Lake, here: pl.Expr, watermark: int, cutoff: date, trained: date | None
) -> tuple[int, str]:
    """Count the sessions that a training at `cutoff` would see and that of `trained` did not; name them.

    Seen by neither counts for nothing: a session after the cutoff, a correction that arrived after it.
    """
    rows = lake.revisions(VALIDATED_BARS, here & (pl.col("known_at") <= midnight(cutoff)))
    if trained is not None:
        later = pl.col("known_at") > midnight(trained)
        news = [rows.filter(later)]
        committed = lake.changed_since(VALIDATED_BARS, watermark)
        if committed.height:
            # Committed since: the training read the version before, as of its own cutoff.
            earlier = rows.filter(~later).join(committed.lazy(), on=["exchange", "date"], how="semi")
            if lake.has_version(VALIDATED_BARS, watermark):
                seen = lake.revisions(VALIDATED_BARS, here & ~later, version=watermark)
                names = VALIDATED_BARS.schema.names()
                earlier = earlier.join(seen, on=names, how="anti", nulls_equal=True)
            # Else nobody can tell any more what the training read: all of it may be news.
            news.append(earlier)
        rows = pl.concat(news)
    sessions, count, newest = (
        rows.select(pl.col("date").n_unique(), pl.len().alias("rows"), pl.col("known_at").max())
        .collect()
        .row(0)
    )
    # A correction is a row of its own with a later `known_at`: other news have another text.
    return int(sessions), f"{sessions}:{count}:{newest.isoformat() if newest else ''}"
