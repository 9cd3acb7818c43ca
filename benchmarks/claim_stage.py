"""One cutoff of the paper's claim: what was known then, how much of it an arm is given, what it is asked.

What does not belong here: which quotes (`claim_data.py`), models (`claim_cells.py`).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from benchmarks.claim_data import HELD_OUT, roots
from lim_pipelines.finetune.features import DECISION
from lim_pipelines.finetune.samples import Samples, samples_of
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split, split
from lim_pipelines.lake import midnight
from lim_pipelines.schemas import MODEL_INPUTS

HORIZON = 5
"""Sessions of the forecast, and from one decision to the next."""

BATCH = 64

SESSIONS, VALIDATED = 1000, 60
"""About so many decision sessions are fitted on, and validated on, at most, evenly spread: neighbours share
four of the five sessions of their labels."""

_VALIDATION = 756  # sessions
_NO_INPUTS = pl.DataFrame(schema={name: MODEL_INPUTS.schema[name] for name in DECISION})


class Stage:
    """A cutoff and the period behind it.

    Parameters
    ----------
    bars
        Bars of the futures that are held out from pretraining, up to the end of the data.
    cutoff, end
        The period, [cutoff, end).
    """

    def __init__(self, bars: pl.DataFrame, cutoff: date, end: date) -> None:
        self.cutoff = cutoff
        # As of the cutoff: a label that was not known by then is not there.
        known = bars.filter(pl.col("known_at") <= midnight(cutoff))
        self._known = samples_of(known, _NO_INPUTS, [], HORIZON)
        self._labelled = self._known.frame["date"].filter(np.isfinite(self._known.label)).n_unique()
        # The rhythm is counted from the first bar of all, so it does not depend on the cutoff.
        rhythm = bars["date"].unique().sort().gather_every(HORIZON)
        days = rhythm.filter((rhythm >= cutoff) & (rhythm < end)).to_list()
        self.ahead = samples_of(bars.filter(pl.col("date") < end), _NO_INPUTS, [], HORIZON, days)
        self._given: dict[float, tuple[Samples, Split]] = {}

    def spec(self, method: str, share: float, seed: int, steps: int) -> ModelSpec:
        """Set up a fit on the latest `share` of the sessions; a fifth, at most three years, validates."""
        used = round(self._labelled * share)
        validation = min(_VALIDATION, used // 5)
        history = used - validation - HORIZON - 1
        content: dict[str, Any] = {
            "name": "papers_claim",
            "description": "Commodity futures that no pretraining saw.",
            "task": "directional",
            "universe": {"instruments": roots(HELD_OUT)},
            "horizon": HORIZON,
            "foundation": "foundation_checkpoint",
            "method": method,
            "seeds": [seed],
            "fit": {
                "steps": steps,
                "batch": BATCH,
                "validation_sessions": validation,
                "judged_sessions": 0,  # no model is replaced here
                "history_sessions": history,
                "sample_every": max(-(-history // SESSIONS), -(-validation // VALIDATED)),
            },
        }
        return ModelSpec.model_validate(content)

    def given(self, share: float) -> tuple[Samples, Split]:
        """Give the samples of a fit, and which of them are fitted on and which validated on."""
        if share not in self._given:
            parts = split(self.spec("full", share, 0, 1), self._known, self.cutoff)
            used = np.union1d(parts.fit, parts.validation)
            rows = (np.searchsorted(used, part) for part in (parts.fit, parts.validation))
            self._given[share] = (self._known.at(used), Split(*rows, parts.purged_sessions))
        return self._given[share]
