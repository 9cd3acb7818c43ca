"""Everything that may be trained: whether it is due, why or why not, and what it will take; a line each.

What does not belong here: what a cause is (`policies.py`), what of it was asked for already (`asked.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.lake import Lake
from lim_pipelines.retraining import expected, policies, standing
from lim_pipelines.retraining.policies import PRIORITY, Cause, Stale
from lim_pipelines.retraining.settings import Retraining
from lim_pipelines.retraining.standing import Standing
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.walkforward import universe


@dataclass(frozen=True)
class Signs:
    """What others have found: causes that are not counted in sessions.

    Parameters
    ----------
    drifted
        Family to a hash of what drifted of what it reads, where the check failed.
    decayed
        Strategy to the digest of the models whose live forecasts have decayed, and what was measured.
    stale
        Family or strategy to what makes its newest checkpoint or models stale.
    """

    drifted: Mapping[str, str] = field(default_factory=dict)
    decayed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    stale: Mapping[str, Stale] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """One family with the strategies that start from it, or one strategy's heads alone.

    Parameters
    ----------
    subject
        Family, or strategy.
    family
        The family: the subject itself, or what the strategy starts from.
    strategies
        Strategies whose models and targets are made again.
    first, last
        Cutoffs that are asked for.
    causes
        Why it is due, the most urgent first; none: it is not.
    words
        Why, or why not, for people.
    seconds
        What it will take; None if nobody knows.
    """

    subject: str
    family: str
    strategies: tuple[str, ...]
    first: date
    last: date
    causes: tuple[Cause, ...]
    words: str
    seconds: float | None

    @property
    def urgency(self) -> tuple[int, date, str]:
        """Lower goes first: by the kind of cause, then what is furthest behind."""
        kinds = [PRIORITY.index(cause.kind) for cause in self.causes]
        return min(kinds, default=len(PRIORITY)), self.first, self.subject


def plan(
    lake: Lake,
    models: Path,
    families: Mapping[str, FoundationConfig],
    specs: Sequence[StrategySpec],
    settings: Retraining,
    signs: Signs,
    now: datetime,
    first_cutoff: date,
) -> list[Line]:
    """Look at every family and every strategy.

    Parameters
    ----------
    lake, models
        Where bars, checkpoints and models lie.
    families, specs
        All there are.
    settings
        The user's numbers.
    signs
        What others have found.
    now
        Moment that is looked at, UTC; tomorrow's to show what will run.
    first_cutoff
        First cutoff there is.

    Returns
    -------
    list of Line
        Families, then strategies, as they were named.
    """
    lines = []
    standings = {
        spec.name: standing.of_strategy(lake, models, spec, universe(spec), now, first_cutoff)
        for spec in specs
    }
    for name, config in families.items():
        # Models of what has no bars yet would fail the family's whole run.
        own = [
            spec
            for spec in specs
            if spec.foundation == name and standing.newest_cutoff(lake, universe(spec), now) is not None
        ]
        at = _again(standing.of_family(lake, models, config, now, first_cutoff), signs)
        causes = _causes(at, settings, signs, now)
        parts = [
            expected.of_family(models, config, at),
            *(expected.of_strategy(models, spec, at.first, at.last) for spec in own),
        ]
        names = tuple(spec.name for spec in own)
        at = _with_behind(at, [standings[name] for name in names])
        lines.append(_line(at, name, names, causes, _total(parts), settings, now))
    for spec in specs:
        at = _again(standings[spec.name], signs)
        takes = expected.of_strategy(models, spec, at.first, at.last)
        causes = _causes(at, settings, signs, now)
        lines.append(_line(at, spec.foundation, (spec.name,), causes, takes, settings, now))
    return lines


def _again(at: Standing, signs: Signs) -> Standing:
    """Begin with the cutoff that is stale: those after it go on from it."""
    stale = signs.stale.get(at.subject)
    return at if stale is None else replace(at, first=min(at.first, stale.cutoff))


def _with_behind(at: Standing, strategies: Sequence[Standing]) -> Standing:
    """Begin with what strategies lack whose last training failed; checkpoints of then are found again."""
    lacking = [one.first for one in strategies if one.trained is not None and one.behind and not one.why_not]
    return replace(at, first=min([at.first, *lacking]))


def _causes(at: Standing, settings: Retraining, signs: Signs, now: datetime) -> list[Cause]:
    found = [
        policies.drifted(at, signs.drifted.get(at.subject, "")),
        policies.decayed(at, *signs.decayed.get(at.subject, ("", ""))),
        policies.stale(at, signs.stale.get(at.subject)),
        policies.new_sessions(at, settings.new_sessions)
        or policies.calendar(at, settings.calendar_sessions, now),
    ]
    return sorted((one for one in found if one is not None), key=lambda one: PRIORITY.index(one.kind))


def _line(
    at: Standing,
    family: str,
    strategies: tuple[str, ...],
    causes: Sequence[Cause],
    seconds: float | None,
    settings: Retraining,
    now: datetime,
) -> Line:
    words = "; ".join(cause.words for cause in causes) or _why_not(at, settings, now)
    return Line(at.subject, family, strategies, at.first, at.last, tuple(causes), words, seconds)


def _why_not(at: Standing, settings: Retraining, now: datetime) -> str:
    if at.why_not:
        return at.why_not
    words = f"{at.sessions} of {settings.new_sessions} {at.counted}"
    patient = policies.patient_until(at.cutoff)
    if at.behind and at.sessions >= settings.calendar_sessions and now < patient:
        words += f"; enough for {at.cutoff} from {patient:%Y-%m-%d} on, when late files are in"
    return words


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
