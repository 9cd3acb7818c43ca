"""Early warning of a training that diverges.

What does not belong here: what is done about it (`pretrain.py`).

Watched are the loss and the logarithm of the gradient's norm. A fast average of each is compared with a slow
one, in units of the slow average distance from it. The loss of a healthy run falls or stays, so its fast
average lies below the slow one or within its noise; a wild batch moves the fast average by a fraction of
itself only. The gradient's norm may grow in a healthy run, so it must grow by a factor, too.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

FAST, SLOW = 10, 200
"""Steps over which the two averages forget to 1 / e."""

PATIENCE = 40
"""Steps before averages are trusted; a number that is not finite alarms at once."""

_DISTANCES = 6.0
_LEAST_LOSS = 0.05  # nats a value: less than that is no divergence however quiet the run was
_LEAST_NORM = math.log(10.0)


class DivergedError(FloatingPointError):
    """Training diverged again and again, at ever smaller rates."""


class Rollback(BaseModel):
    """A training that diverged and went back.

    Parameters
    ----------
    step, back_to
        Step at which it was noticed; step of the snapshot that training went on from.
    why
        What was noticed, in words.
    factor
        Of the learning rate, from then on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    back_to: int
    why: str
    factor: float


class Track(BaseModel):
    """Averages of one number: fast, slow, and the slow average of distances from the slow one."""

    fast: float = 0.0
    slow: float = 0.0
    apart: float = 0.0

    def take(self, value: float, count: int) -> None:
        """Take a value in, the `count`-th."""
        # The first values are averaged evenly, else the averages would lean on the very first.
        quick, calm = max(1 / FAST, 1 / count), max(1 / SLOW, 1 / count)
        # A single wild value must not widen what counts as usual.
        distance = abs(value - self.slow) if count > 1 else 0.0
        if count > PATIENCE:
            distance = min(distance, 3 * self.apart)
        self.apart += calm * (distance - self.apart)
        self.fast += quick * (value - self.fast)
        self.slow += calm * (value - self.slow)

    def above(self, least: float) -> bool:
        """Whether the number has risen beyond its noise, and by more than `least`."""
        return self.fast - self.slow > max(least, _DISTANCES * self.apart)


class Watch(BaseModel):
    """What is remembered of a run; plain numbers, so that a resumed run decides as an undisturbed one.

    Parameters
    ----------
    steps
        Steps seen.
    loss, norm
        Averages of the loss and of the log gradient norm.
    """

    steps: int = 0
    loss: Track = Track()
    norm: Track = Track()

    def see(self, loss: float, gradient_norm: float) -> str | None:
        """Take a step in.

        Parameters
        ----------
        loss
            Training loss.
        gradient_norm
            Norm of its gradient before clipping.

        Returns
        -------
        str or None
            What is wrong, in words; None if nothing is.
        """
        self.steps += 1
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(gradient_norm):
            return f"the gradient's norm is {gradient_norm}"
        self.loss.take(loss, self.steps)
        self.norm.take(math.log(max(gradient_norm, 1e-30)), self.steps)
        if self.steps <= PATIENCE:
            return None
        if self.loss.above(_LEAST_LOSS):
            return f"the loss rose from about {self.loss.slow:.3f} to {self.loss.fast:.3f}"
        if self.norm.above(_LEAST_NORM):
            before, now = math.exp(self.norm.slow), math.exp(self.norm.fast)
            return f"the gradient's norm rose from about {before:.3g} to {now:.3g}"
        return None
