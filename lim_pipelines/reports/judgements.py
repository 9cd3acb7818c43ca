"""How each retrained model of a strategy was judged, as rows of its report.

What does not belong here: judging (`finetune/promotion.py`), the page (`strategy.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from lim_pipelines.finetune.champions import chosen
from lim_pipelines.foundation.evidence import Event, Evidence
from lim_pipelines.reports.page import DASH


def judgements(events: Sequence[Event]) -> list[dict[str, str]]:
    """Lay decisions out, one row each.

    Parameters
    ----------
    events
        Decisions on the retrained models, oldest first.

    Returns
    -------
    list of dict
        trained (cutoff of the new model), decision, in_use (cutoff of the model that decides from then on),
        against (cutoff of the one before), gain and interval (of the new one's skill), sessions, why.
    """
    return [
        {
            "trained": str(event.checkpoint.cutoff),
            "decision": event.event,
            "in_use": str(chosen(event).cutoff),
            "against": str(event.before.cutoff) if event.before else DASH,
            **_measured(event.evidence),
            "why": event.why,
        }
        for event in events
    ]


def _measured(evidence: Evidence | None) -> dict[str, str]:
    if evidence is None:
        return dict.fromkeys(("gain", "interval", "sessions"), DASH)
    low, high = evidence.low, evidence.high
    interval = DASH if low is None or high is None else f"{low:+.2%} to {high:+.2%}"
    sessions = f"{evidence.days}, {evidence.judged_from} … {evidence.judged_until}"
    return {"gain": f"{evidence.gain:+.2%}", "interval": interval, "sessions": sessions}
