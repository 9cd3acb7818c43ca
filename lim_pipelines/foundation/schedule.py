"""Learning rate over the steps of a training, as a share of its peak: a function of the step, no state.

What does not belong here: the peak (`config.py`, `continual.py`), a matrix's own rate (`optimiser.py`).
"""

from __future__ import annotations

import math
from typing import Literal

WARMUP_SHARE = 0.1
"""Share of the steps over which the rate rises from nothing."""

COOLDOWN_SHARE = 0.2
"""Share of the steps, the last, over which `wsd` falls."""

LAST_RATE = 0.05
"""Rate of the last step over the peak."""


def rate_at(step: int, steps: int, schedule: Literal["wsd", "cosine"]) -> float:
    """Rate of a step over the peak.

    Parameters
    ----------
    step
        Step, from 0.
    steps
        Steps in all.
    schedule
        `cosine` falls all along behind the warm-up (Loshchilov and Hutter 2017, SGDR). `wsd` stays and falls
        in the end as 1 - sqrt (Hu et al. 2024, MiniCPM; Haegele et al. 2024, Scaling laws beyond fixed
        training durations): from any checkpoint of its flat part training can go on.
    """
    warmup = max(1, round(WARMUP_SHARE * steps))
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "cosine":
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
    cooldown = max(1, round(COOLDOWN_SHARE * steps))
    progress = min(1.0, max(0.0, (step - (steps - cooldown)) / cooldown))
    return LAST_RATE + (1 - LAST_RATE) * (1 - math.sqrt(progress))
