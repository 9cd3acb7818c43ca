"""Was a retrained model judged by what was known at its cutoff: judged again where nothing later exists.

What does not belong here: the models (`checkpoints.py`), what they decide (`targets.py`), the rule
(`finetune/promotion.py`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from lim_pipelines.audit.compare import alike
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.finetune import champions, promotion, store
from lim_pipelines.finetune.plan import read_inputs
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.foundation.evidence import Evidence
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.lake.past import Past
from lim_pipelines.strategies.registry import TASKS

LAST_DIGIT = 1.5e-6
"""Figures are kept with six decimals. Another processor or number of threads gives forecasts other last bits,
which may turn the last of these. A leak changes which sessions judge, or a bar of them, and so much more."""


def audit_decision(lake: Lake, models: Path, strategy: str, cutoff: date) -> list[Verdict]:
    """Judge the models of a cutoff again on truncated history, and compare what was measured.

    Parameters
    ----------
    lake, models
        Where everything lies.
    strategy
        Name of the strategy.
    cutoff
        A cutoff that trained; where nothing was measured there is nothing to audit.

    Raises
    ------
    ModelError
        The decision or a model cannot be read.
    """
    event = champions.event_at(models, strategy, cutoff)
    if event is None or event.evidence is None:
        return []
    challenger = champions.folder_of(models, strategy, event.checkpoint)
    spec = store.read_meta(challenger).spec
    broken = []
    if event.before is None or event.before.cutoff >= cutoff:
        broken.append(f"it was judged against models of {event.before}, which is not earlier")
    bars, inputs = read_inputs(Past(lake, midnight(cutoff)), spec, cutoff)

    def samples_of(meta: store.ModelMeta) -> Samples:
        return TASKS[spec.task].samples(spec, bars, inputs, meta.selection)

    evidence, promoted, _ = promotion.judge(models, spec, challenger, event.before, samples_of)
    if not _same(evidence, event.evidence) or promoted != (event.event == "promoted"):
        was, now = event.evidence.gain, None if evidence is None else evidence.gain
        broken.append(f"its gain was {was}, of what was known at the cutoff it is {now}")
    text = "; ".join(broken)
    finding = (
        f"decision on {strategy} {event.checkpoint}: {text}; remove {champions.FILE} beside the models and"
        f" materialise {strategy}_model, partition {cutoff}, again; if it stays, correct what it is judged by"
    )
    compared = event.evidence.windows
    return [
        Verdict(
            f"{strategy}_model",
            cutoff.isoformat(),
            "recompute",
            midnight(cutoff),
            compared,
            compared if broken else 0,
            finding if broken else "",
        )
    ]


def _same(one: Evidence | None, other: Evidence) -> bool:
    """Whether the same was measured: sessions and windows exactly, figures but for their last digit."""
    return one is not None and alike(one.model_dump(), other.model_dump(), smallest=LAST_DIGIT)
