"""What is to be said of a record, in words that a committee can read.

What does not belong here: the figures (`luck.py`, `backtest/metrics.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lim_pipelines.evaluate.luck import Luck
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR

CONFIDENT = 0.95
SHORTEST_RECORD = 60
"""Sessions below which nothing is said about skill."""

_SESSIONS_PER_MONTH = SESSIONS_PER_YEAR / 12
_MONTHS_IN_WORDS = 24
"""From so many months on a record's length is said in years."""

_LONGEST = 100
"""Years from which on nobody waits."""


@dataclass(frozen=True)
class Control:
    """The best control of a strategy.

    Parameters
    ----------
    arm
        Its name.
    sharpe
        Its annualised net Sharpe ratio.
    """

    arm: str
    sharpe: float


def verdict(days: int, sharpe: float, control: Control | None, found: Luck, simulated: bool) -> str:
    """Say it.

    Parameters
    ----------
    days
        Sessions of the record.
    sharpe
        Its annualised net Sharpe ratio; NaN if it never traded.
    control
        The best control, if there is one.
    found
        What the statistics say of the record.
    simulated
        Whether its market is simulated.
    """
    words = [_skill(days, sharpe, found)]
    if days >= SHORTEST_RECORD and sharpe > 0 and found.deflated < CONFIDENT:
        words.append(missing(days, found.sessions_needed_deflated))
    if control is not None and not math.isnan(sharpe):
        words.append(_beside(days, sharpe, control, found))
    if found.may_be_best is False and days >= SHORTEST_RECORD:
        words.append("other trials were surely better on these sessions")
    text = "; ".join(words)
    return f"SIMULATED market, no real result. {text}." if simulated else f"{text}."


def missing(days: int, needed: float) -> str:
    """Say how much more of a record it takes, at the Sharpe ratio so far.

    Parameters
    ----------
    days
        Sessions there are.
    needed
        Sessions needed; infinite if no number is enough.
    """
    years = (needed - days) / SESSIONS_PER_YEAR
    if years >= _LONGEST:
        return "no record with this Sharpe ratio could be long enough"
    months = max(1, math.ceil((needed - days) / _SESSIONS_PER_MONTH))
    if months >= _MONTHS_IN_WORDS:
        return f"needs {years:.0f} more years like these"
    return f"needs {months} more month{'s' if months > 1 else ''} like these"


def _skill(days: int, sharpe: float, found: Luck) -> str:
    after = f"after {found.trials} trial{'s' if found.trials != 1 else ''}"
    if days < SHORTEST_RECORD:
        return f"Too short to judge: {days} sessions"
    if math.isnan(sharpe):
        return "Never traded"
    if sharpe <= 0:
        return f"Loses money after costs (Sharpe {sharpe:.2f})"
    if found.deflated >= CONFIDENT:
        return f"Better than luck {after}, with probability {found.deflated:.0%} (Sharpe {sharpe:.2f})"
    return f"Not distinguishable from luck {after} (Sharpe {sharpe:.2f}, deflated {found.deflated:.0%})"


def _beside(days: int, sharpe: float, control: Control, found: Luck) -> str:
    name = f"{control.arm} ({control.sharpe:.2f})"
    if control.sharpe >= sharpe:
        return f"no better than {name}"
    if days < SHORTEST_RECORD or math.isnan(found.p_control):
        return f"ahead of {name}"
    if found.p_control <= 1 - CONFIDENT:
        return f"ahead of {name}, which is no luck (p {found.p_control:.3f})"
    return f"ahead of {name}, which may be luck (p {found.p_control:.2f})"
