"""Lines of the log of champions: what was decided, on what evidence.

What does not belong here: the log (`registry.py`), measuring (`promotion.py`, `finetune/promotion.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Literal

from lim_pipelines.foundation.decided import Record
from lim_pipelines.paired import LEVEL, Gain


class Named(Record):
    """A checkpoint of a family.

    Parameters
    ----------
    cutoff, digest
        Its cutoff and its input digest.
    """

    cutoff: date
    digest: str

    def __str__(self) -> str:
        return f"{self.cutoff} {self.digest[:16]}"


class GroupScore(Record):
    """Champion against challenger on one exchange and frequency.

    Parameters
    ----------
    group
        Exchange and frequency.
    windows
        Windows that both were judged on.
    champion, challenger
        Skill: 1 - CRPS / CRPS of the trivial forecast (`skill.py`).
    gain, low, high
        Challenger less champion, and its interval; None where there are too few days for one.
    """

    group: str
    windows: int
    champion: float
    challenger: float
    gain: float
    low: float | None
    high: float | None


class Evidence(Record):
    """The paired test of a challenger.

    Parameters
    ----------
    gain, low, high, level
        Skill of the challenger less that of the champion, mean of the groups; its interval, and how often an
        interval is to hold. None where there are too few days for one.
    windows, days
        What it rests on.
    judged_from, judged_until
        First and last bar that the windows forecast, ISO 8601; behind all that either was trained on.
    groups
        The same by exchange and frequency; each interval holds at a level that counts how many there are.
    """

    gain: float
    low: float | None
    high: float | None
    level: float
    windows: int
    days: int
    judged_from: str
    judged_until: str
    groups: tuple[GroupScore, ...]


class Event(Record):
    """One line of the log.

    Parameters
    ----------
    moment
        When it was decided, ISO 8601, UTC.
    event
        `promoted`: the checkpoint is champion from here on; `kept`: it was judged, and the champion stays;
        `rolled_back`: a person made it champion.
    checkpoint
        Which checkpoint.
    before
        Champion before; None for the first.
    evidence
        What was measured; None for the first and where a person decided.
    by, why
        Who decided, and why, in words.
    """

    moment: str
    event: Literal["promoted", "kept", "rolled_back"]
    checkpoint: Named
    before: Named | None
    evidence: Evidence | None
    by: str
    why: str


def evidence_of(
    gain: Gain, groups: Mapping[str, Gain], losses: Mapping[str, tuple[float, float]], first: str, last: str
) -> Evidence:
    """Write down what a paired test found.

    Parameters
    ----------
    gain
        Over all groups alike, its interval at `paired.LEVEL`.
    groups
        The same by group.
    losses
        Of each group, the champion's mean loss and the challenger's, in units of the trivial forecast's, so
        that skill is 1 less the loss.
    first, last
        What was judged, ISO 8601.
    """
    scores = tuple(
        GroupScore(
            group=name,
            windows=one.pairs,
            champion=round(1 - losses[name][0], 6),
            challenger=round(1 - losses[name][1], 6),
            gain=round(one.mean, 6),
            low=_known(one.low),
            high=_known(one.high),
        )
        for name, one in groups.items()
    )
    return Evidence(
        gain=round(gain.mean, 6),
        low=_known(gain.low),
        high=_known(gain.high),
        level=LEVEL,
        windows=gain.pairs,
        days=gain.moments,
        judged_from=first,
        judged_until=last,
        groups=scores,
    )


def _known(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
