"""What a sensor asks for: never twice for one cause, one run at a time, what failed again after a pause.

What does not belong here: Dagster's runs (`assets/requests.py` looks them up), causes (`policies.py`), the
budget's rule (`budget.py`). Pure: the sensor's cursor goes in and comes out.

A cause is answered when a run that was asked for it has succeeded, and stays answered for as long as it is
found. A run that failed is asked for again under its own key, whatever has come in addition meanwhile: it
reads what is there then.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum

from lim_pipelines.retraining.budget import Wanted, too_large, waiting
from lim_pipelines.retraining.plan import Line


class Became(Enum):
    """What became of something that was asked for."""

    NOTHING = "no run has begun"
    WORKING = "a run waits or works"
    SUCCEEDED = "the last run succeeded"
    RESTING = "the last run failed not long ago"
    FAILED = "the last run failed, long enough ago"


@dataclass(frozen=True)
class Ask:
    """A run that was asked for and has not succeeded yet.

    Parameters
    ----------
    key
        Under which.
    causes
        Keys of the causes that it answers.
    seconds
        What it is expected to take; None if nobody knows.
    """

    key: str
    causes: tuple[str, ...]
    seconds: float | None


@dataclass(frozen=True)
class Memory:
    """What the sensor's cursor holds.

    Parameters
    ----------
    open
        By subject, what was asked for.
    answered
        By subject, keys of causes that a run has answered and that are still found.
    """

    open: Mapping[str, Ask] = field(default_factory=dict)
    answered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> Memory:
        """Read a cursor; nothing is remembered where there is none."""
        if not cursor:
            return cls()
        content = json.loads(cursor)
        asks = {
            subject: Ask(ask["key"], tuple(ask["causes"]), ask["seconds"])
            for subject, ask in content["open"].items()
        }
        return cls(asks, {subject: tuple(keys) for subject, keys in content["answered"].items()})

    def written(self) -> str:
        """Write the cursor."""
        return json.dumps(
            {
                "open": {subject: asdict(ask) for subject, ask in self.open.items()},
                "answered": self.answered,
            }
        )


@dataclass(frozen=True)
class Look:
    """What one look at the plan comes to.

    Parameters
    ----------
    memory
        To be kept.
    asks
        What is asked for now, the most urgent first.
    words
        By subject, in the order of the plan: why it is asked for, or why not.
    waits
        By subject, what the budget keeps waiting.
    """

    memory: Memory
    asks: Sequence[tuple[Line, Ask]]
    words: Mapping[str, str]
    waits: Mapping[str, str]


def look(
    memory: Memory,
    lines: Sequence[Line],
    became: Callable[[str], Became],
    hours: float | None,
    spent: float,
) -> Look:
    """Decide what is asked for.

    Parameters
    ----------
    memory
        As the last look left it.
    lines
        The plan.
    became
        Says what became of the runs of a key.
    hours, spent
        The week's budget, None for no limit; seconds that trainings took in the last seven days.
    """
    asks, answered = _settled(memory, lines, became)
    working = {subject for subject, ask in asks.items() if became(ask.key) is Became.WORKING}
    words = {line.subject: _calm(line, answered) for line in lines}
    due: list[tuple[Line, Ask]] = []
    # Families first: their runs make their strategies' models, too.
    for line in sorted(lines, key=lambda one: one.subject != one.family):
        left = tuple(one for one in line.causes if one.key not in answered.get(line.subject, ()))
        if not left:
            continue
        busy = _busy(line, working, [other for other, _ in due if not too_large(other.seconds, hours)])
        if busy:
            words[line.subject] = f"{line.words}; {busy}"
            continue
        keys = tuple(one.key for one in left)
        key = asks[line.subject].key if line.subject in asks else _key(line, keys)
        due.append((line, Ask(key, keys, line.seconds)))
    due.sort(key=lambda one: one[0].urgency)
    # What nobody knows about may take all there is.
    under_way = [asks[subject].seconds for subject in working]
    taken = spent + sum(math.inf if one is None else one for one in under_way)
    waits = waiting([Wanted(line.subject, line.seconds) for line, _ in due], hours, taken)
    now = []
    for line, ask in due:
        if line.subject in waits:
            words[line.subject] = f"{line.words}; {waits[line.subject]}"
            continue
        if became(ask.key) is Became.SUCCEEDED:
            # The cursor was lost; the run that answered these causes is still known.
            answered[line.subject] = (*answered.get(line.subject, ()), *ask.causes)
            words[line.subject] = _calm(line, answered)
            continue
        asks[line.subject] = ask
        if became(ask.key) in (Became.WORKING, Became.RESTING):
            words[line.subject] = f"{line.words}; {became(ask.key).value}"
            continue
        now.append((line, ask))
        words[line.subject] = line.words
    return Look(Memory(asks, answered), now, words, waits)


def _settled(
    memory: Memory, lines: Sequence[Line], became: Callable[[str], Became]
) -> tuple[dict[str, Ask], dict[str, tuple[str, ...]]]:
    """Bring the memory up to date: what succeeded is answered, what is no longer found is forgotten."""
    found = {line.subject: {one.key for one in line.causes} for line in lines}
    answered = dict(memory.answered)
    asks = {}
    for subject, ask in memory.open.items():
        how = became(ask.key)
        if how is Became.SUCCEEDED:
            answered[subject] = (*answered.get(subject, ()), *ask.causes)
        elif how is Became.WORKING or found.get(subject, set()) - set(answered.get(subject, ())):
            asks[subject] = ask
    kept = {
        subject: tuple(dict.fromkeys(key for key in keys if key in found.get(subject, ())))
        for subject, keys in answered.items()
    }
    return asks, {subject: keys for subject, keys in kept.items() if keys}


def _busy(line: Line, working: set[str], ahead: Sequence[Line]) -> str:
    """Say what else is at it; empty if nothing is."""
    if line.subject in working:
        return Became.WORKING.value
    if line.family in working:
        return f"{line.family} is being trained, and what follows from it"
    if any(other.subject == line.family for other in ahead):
        return f"is made with {line.family}"
    below = sorted(working & set(line.strategies))
    return f"{', '.join(below)} is being trained" if below else ""


def _calm(line: Line, answered: Mapping[str, Sequence[str]]) -> str:
    if line.causes and all(one.key in answered.get(line.subject, ()) for one in line.causes):
        return f"{line.words}; a run has answered that"
    return line.words


def _key(line: Line, causes: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(sorted(causes)).encode()).hexdigest()
    return f"{line.subject}@{line.last}@{digest[:16]}"
