"""Which trainings the week's budget allows, in order of urgency, and why the others wait.

What does not belong here: what trainings took and will take (`expected.py`). Seconds are wall time of
trainings, so on a machine that trains on a GPU they are GPU time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

WEEK = timedelta(days=7)
"""The budget is of any seven days, not of a calendar's week: no rush on Mondays."""

_HOUR = 3600.0


@dataclass(frozen=True)
class Wanted:
    """A training that is due.

    Parameters
    ----------
    subject
        What is trained.
    seconds
        What it will take; None if nobody knows.
    """

    subject: str
    seconds: float | None


def waiting(wanted: Sequence[Wanted], hours: float | None, taken: float) -> dict[str, str]:
    """Say which trainings wait, and why; all others may go.

    Nothing overtakes: a training that is next in line keeps its place until enough of the budget is free,
    else small ones would keep a large one out for ever. One that no week's budget can hold does not hold up
    the others. One of which nobody knows what it takes goes alone, with all that is left.

    Parameters
    ----------
    wanted
        In order of urgency.
    hours
        The budget of a week; None is no limit.
    taken
        Seconds that trainings took in the last seven days, and that those under way are expected to take.

    Returns
    -------
    dict
        Subject to the reason why it waits, for people.
    """
    if hours is None:
        return {}
    left, ahead, out = hours * _HOUR - taken, "", {}
    for one in wanted:
        takes = "nobody knows yet what it takes" if one.seconds is None else f"takes {told(one.seconds)}"
        if too_large(one.seconds, hours):
            out[one.subject] = (
                f"{takes}, more than a whole week's budget of {hours:g} h: raise budget_hours_a_week in"
                " automation.yaml, or start it by hand"
            )
        elif ahead:
            out[one.subject] = f"{takes}; waits behind {ahead}"
        elif left <= 0 or (one.seconds is not None and one.seconds > left):
            out[one.subject] = f"{takes}; {told(max(left, 0.0))} of {hours:g} h a week are left"
            ahead = one.subject
        else:
            left = 0.0 if one.seconds is None else left - one.seconds
    return out


def too_large(seconds: float | None, hours: float | None) -> bool:
    """Whether no week's budget can hold a training of so many seconds."""
    return hours is not None and seconds is not None and seconds > hours * _HOUR


def told(seconds: float) -> str:
    """Write a span of time for people."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < _HOUR else f"{seconds / _HOUR:.1f} h"
