"""What a training decides before its first step, as `meta.json` records it.

What does not belong here: deciding (`continual.py`, `selection.py`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A record: frozen, and nothing but what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Start(Record):
    """What a training went on from, and why.

    Parameters
    ----------
    reason
        Why from scratch, or that it goes on.
    continued
        Trainings since the last one from scratch; 0: this one is from scratch.
    learning_rate
        Peak learning rate.
    replay
        Share of windows that forecast bars the parent could train on; 1 without a parent.
    recent_from
        First moment whose bars the parent held out, ISO 8601; None without a parent.
    """

    reason: str
    continued: int
    learning_rate: float
    replay: float
    recent_from: str | None


class Tried(Record):
    """A candidate of the data mix that was tried.

    Parameters
    ----------
    candidate
        As `Mix.candidates` names it.
    beside
        Candidates that had been chosen before.
    gain, low, high
        Skill on the targets' held-out windows with it, less the skill without; mean of the seeds, and its
        interval, None where there are too few days for one.
    by_seed
        Gain of each seed.
    chosen
        Whether it was taken in.
    """

    candidate: str
    beside: tuple[str, ...]
    gain: float
    low: float | None
    high: float | None
    by_seed: tuple[float, ...]
    chosen: bool


class Selection(Record):
    """Which candidates a checkpoint is trained on, and what that was decided by.

    Parameters
    ----------
    chosen, refused
        Candidates that are drawn from, and those that are not.
    tried
        All proxies, in order.
    steps, trainings, seconds
        Steps of a proxy training, how many there were, and how long they took.
    validated_from, validated_until
        The stretch of time that judged, ISO 8601; before all that the checkpoint itself holds out.
    """

    chosen: tuple[str, ...]
    refused: tuple[str, ...]
    tried: tuple[Tried, ...]
    steps: int
    trainings: int
    seconds: float
    validated_from: str
    validated_until: str
