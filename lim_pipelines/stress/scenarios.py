"""What a scenario is: a named change of the world, with the reason to ask.

What does not belong here: how each is computed (a file a family).
"""

from __future__ import annotations

from dataclasses import dataclass

CRISES = "crisis windows"
REGIMES = "regimes"
COSTS = "costs and fills"
DATA = "worse data"
SETTINGS = "portfolio settings"
HISTORIES = "resampled histories"

FAMILIES = (CRISES, REGIMES, COSTS, DATA, SETTINGS, HISTORIES)
"""In the order of the page."""


@dataclass(frozen=True)
class Scenario:
    """One question.

    Parameters
    ----------
    name
        Short, unique within its family.
    family
        One of `FAMILIES`.
    reason
        Why it is asked, in one sentence.
    """

    name: str
    family: str
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """A question that is not asked of a strategy.

    Parameters
    ----------
    name, family
        As of a `Scenario`.
    why
        In words that end a sentence.
    """

    name: str
    family: str
    why: str
