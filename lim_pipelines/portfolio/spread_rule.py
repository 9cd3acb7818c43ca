r"""When a spread is entered and left: one pair, one session at a time.

With z the spread's distance from its mean in standard deviations, and thresholds exit < entry < stop:

- flat, entry <= \|z\| < stop, and the model agrees: in, against the deviation;
- in, and z is back within exit or beyond: out;
- in, and z is stop or further out, or the time is up: out, and waiting;
- waiting, and \|z\| is within exit: flat, and may be entered again.

What does not belong here: sizes and legs (`pair_books.py`), what the model says (`strategies/pairs.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lim_pipelines.strategies.portfolios import PairsPortfolio


class Held(NamedTuple):
    """What a book holds of one spread.

    Parameters
    ----------
    side
        1: long the first leg against the second; -1: short; 0: nothing.
    sessions
        Sessions since it was entered.
    waiting
        Whether it was left with a loss, and has not come back since.
    """

    side: int = 0
    sessions: int = 0
    waiting: bool = False


NOTHING = Held()
_WAITING = Held(waiting=True)


def step(held: Held, z: float, agreed: int, settings: PairsPortfolio) -> Held:
    """Decide one session.

    Parameters
    ----------
    held
        What was held.
    z
        The spread's z-score, finite.
    agreed
        Side that the model thinks worth its cost, -1 or 1; 0: none.
    settings
        Thresholds.

    Returns
    -------
    Held
        What is held from now on.
    """
    if held.waiting:
        return NOTHING if abs(z) <= settings.exit else held
    if held.side:
        out = -held.side * z  # how far out the spread is still, on the side it was entered from
        sessions = held.sessions + 1
        if out <= settings.exit:
            return NOTHING
        if out >= settings.stop or sessions >= settings.hold_sessions:
            return _WAITING
        return Held(held.side, sessions)
    against = -1 if z > 0 else 1
    if settings.entry <= abs(z) < settings.stop and agreed == against:
        return Held(against)
    return NOTHING


def walked(path: Iterable[float], settings: PairsPortfolio) -> Held:
    """Return what a book holds whose model agreed at all times, and that began with nothing.

    From a session with z within exit on it is all the same what a book held before.

    Parameters
    ----------
    path
        z-scores, oldest first, finite.
    settings
        Thresholds.
    """
    held = NOTHING
    for z in path:
        held = step(held, z, -1 if z > 0 else 1, settings)
    return held
