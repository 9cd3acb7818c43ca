"""Stale results: what a correction in the past touches, exactly, by the versions that results recorded.

`wanted.py` the rows a result reads; `recorded.py` writing down at which version; `rows.py` which of them are
others now; `result.py` what was made, from what, as `found.py`, `reports.py` and `asked.py` find it;
`judge.py` which is stale and why, `state.py` whether that was looked for already; `missing.py` what was never
made; `redo.py` what to make again, in which order.

What does not belong here: training and deciding again, and who asks for it (`assets/`).
"""

from lim_pipelines.stale.asked import asked
from lim_pipelines.stale.found import made
from lim_pipelines.stale.judge import cause_of, current, listed, stale
from lim_pipelines.stale.recorded import (
    record_backtest,
    record_effectiveness,
    record_leaderboard,
    record_robustness,
    record_targets,
    record_trained,
    record_universality,
    versions,
)
from lim_pipelines.stale.state import state

__all__ = [
    "asked",
    "cause_of",
    "current",
    "listed",
    "made",
    "record_backtest",
    "record_effectiveness",
    "record_leaderboard",
    "record_robustness",
    "record_targets",
    "record_trained",
    "record_universality",
    "stale",
    "state",
    "versions",
]
