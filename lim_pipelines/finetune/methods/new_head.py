"""The head that a fit begins with: what can be known before the first step is in it.

Its linear path begins as a ridge regression of the labels on the trends, solved exactly on the rows that are
fitted on, the penalty chosen where the steps stop early: what is linear in the past needs no steps, and steps
are for what it leaves.

What does not belong here: the heads themselves (`heads.py`), steps (`neural.py`).
"""

from __future__ import annotations

from lim_pipelines.finetune import ridge
from lim_pipelines.finetune.heads import Head, make_head
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.scaling import Scaling


def new_head(job: Job) -> Head:
    """Make a head with its features scaled, and its linear path solved, on the rows that are fitted on.

    Parameters
    ----------
    job
        What to fit; the seed is set before.
    """
    head = make_head(job.spec, job.frozen.backbone.config.shape.d_model)
    head.set_scaling(Scaling.of(job.samples.features[job.split.fit]))
    fitted, held_out = job.samples.at(job.split.fit), job.samples.at(job.split.validation)
    weights, _ = ridge.solve(job.spec, (fitted, fitted.trend), (held_out, held_out.trend))
    head.begin_with(weights)
    return head
