"""What makes a training due: a policy a function, pure, over what was counted.

What does not belong here: counting (`standing.py`), what a training may take (`budget.py`), asking for runs.

Why not Dagster's `AutomationCondition.eager()`: on assets below (exchange x date) it fires only where no
partition is missing, on dynamic partitions never, and it asks at every change of any partition; a training
costs minutes to hours and wants a reason with a number in it.

No policy looks at the wall clock, reads the lake or starts anything. Each says what its cause is by content,
so the same cause has the same key however often it is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from lim_pipelines.lake import midnight
from lim_pipelines.retraining.standing import Standing

PRIORITY = ("drift", "decay", "stale", "sessions", "calendar")
"""Kinds of causes, the most urgent first: a market or a model that is no longer what it was, results that are
wrong, then what merely grows old."""

GRACE = timedelta(days=3)
"""After a month's end, before its cutoff is trained on few sessions: late files come within days."""


@dataclass(frozen=True)
class Cause:
    """Why something is to be trained again.

    Parameters
    ----------
    kind
        One of `PRIORITY`.
    key
        What it is, by content: found again, it has the same key.
    words
        For people, with figures.
    """

    kind: str
    key: str
    words: str


def new_sessions(standing: Standing, needed: int) -> Cause | None:
    """Train when enough sessions are new or corrected.

    Why: a month's worth of new sessions moves a model more than the noise of a training does; a handful does
    not. Why not at each arrival: a training a day for a twentieth of news each. Never for what the cutoff
    cannot see, for other exchanges' sessions, for unchanged content or a compaction.

    Parameters
    ----------
    standing
        How far it is.
    needed
        Sessions that are enough.
    """
    if standing.why_not or standing.sessions < needed:
        return None
    words = f"{standing.sessions} {standing.counted} (needs {needed})"
    return Cause("sessions", f"sessions:{standing.news}", words)


def drifted(standing: Standing, check: str) -> Cause | None:
    """Train when the drift check failed on what is read, however few sessions are new.

    Why: the reference that the model learnt no longer holds; waiting for a full month only trades on it
    longer. Never where a training would see nothing new: it would give the same model again.

    Parameters
    ----------
    standing
        How far it is.
    check
        What drifted of what the family reads, by content; empty if nothing did.
    """
    if not check or standing.why_not or not (standing.behind or standing.sessions):
        return None
    words = f"the drift check failed; {standing.sessions} {standing.counted}"
    return Cause("drift", f"drift:{check}:{standing.cutoff}", words)


@dataclass(frozen=True)
class Stale:
    """Why the newest checkpoint or models would come out otherwise today.

    Parameters
    ----------
    cutoff
        Theirs.
    key
        What changed, by content.
    words
        For people.
    """

    cutoff: date
    key: str
    words: str


def stale(standing: Standing, found: Stale | None) -> Cause | None:
    """Train the newest cutoff again when what it has read was corrected, be it one row.

    Why: results must be those of the rows that the lake holds; whoever reads them relies on it. Why the
    newest only: decisions of now come of it; earlier ones are listed (`stale_results`), for people to redo.
    Never for content that came again unchanged, or for rows that the training could not see.

    Parameters
    ----------
    standing
        How far it is.
    found
        What is stale; None if nothing is.
    """
    if found is None or standing.why_not:
        return None
    return Cause("stale", f"stale:{found.key}", f"{found.cutoff} is stale: {found.words}")


def decayed(standing: Standing, models: str, words: str) -> Cause | None:
    """Fit a strategy's heads again when its live forecasts have become worse than they were.

    Why the heads and not the foundation: the decay is of one strategy's forecasts; the checkpoint serves all
    others, has its own causes (drift among them), and costs most. Never where a fit would see nothing new, or
    twice for the same models.

    Nor against the strategy's cadence, which a decay does not break: at which cutoffs a strategy is fitted
    follows from its YAML alone, so a backtest made from scratch fits at those the live strategy did. Were it
    the verdict of a check, too, what was done on the day could not be made again; and about one sound
    strategy in ten alarms in a year. Who wants to react sooner than a quarter retrains every month.

    Parameters
    ----------
    standing
        How far the strategy is.
    models
        Digest of the models whose forecasts have decayed; empty if none have.
    words
        What was measured.
    """
    if not models or standing.why_not or not (standing.behind or standing.sessions):
        return None
    told = f"{words}; {standing.sessions} {standing.counted}"
    return Cause("decay", f"decay:{models[:16]}:{standing.cutoff}", told)


def calendar(standing: Standing, needed: int, now: datetime) -> Cause | None:
    """Train the newest cutoff once its month is over, although only some of its sessions came.

    Why: a month without a checkpoint has no decisions. Why not at its first minute: what is late comes within
    days, and would be trained twice. Never for fewer sessions than are worth a training.

    Parameters
    ----------
    standing
        How far it is.
    needed
        Sessions that are enough.
    now
        Present moment, UTC.
    """
    if standing.why_not or not standing.behind or standing.sessions < needed:
        return None
    if now < patient_until(standing.cutoff):
        return None
    words = f"nothing of {standing.cutoff} yet; {standing.sessions} {standing.counted} (needs {needed})"
    return Cause("calendar", f"calendar:{standing.cutoff}", words)


def patient_until(cutoff: date) -> datetime:
    """Moment from which a cutoff is trained on few sessions."""
    return midnight(cutoff) + GRACE
