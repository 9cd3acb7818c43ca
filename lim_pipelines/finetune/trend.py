r"""Where an instrument has gone lately: every head reads it beside the embedding, on a linear path.

Of the half-lives :math:`h` that the backbone's patches are told of, too, with :math:`r_{t-i}` the log returns
up to the decision and :math:`\sigma` the sample's volatility,

.. math:: x_h = \sum_i w_i r_{t-i} \,/\, (\sigma \sqrt{\textstyle\sum_i w_i^2}), \qquad w_i = 2^{-i/h},

which is the t-statistic of a mean: of unit variance where nothing is there. The path begins as a ridge
regression of the labels on these few numbers, solved exactly on the rows that are fitted on: what is linear
in the past needs no steps, and steps are for what it leaves. A frozen embedding holds the same (a linear read
gets most of its variance), but among its smallest directions, where a short fit finds it by chance only.

What does not belong here: the heads (`heads.py`), ridge on all lags, which is a control (`ridge.py`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.finetune import ridge
from lim_pipelines.finetune.controls.lookback import of_past_returns
from lim_pipelines.finetune.samples import Floats, Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation.scaling import RECENT

BARS = 128
"""Bars that are seen: what lies before weighs less than a twentieth of the newest."""

_WEIGHTS = 0.5 ** (np.arange(BARS)[::-1, None] / np.array(RECENT))


def trends(samples: Samples) -> Floats:
    """Read the trends of N samples, shape (N, len(RECENT)); see the module. Missing returns are 0."""
    sums = of_past_returns(samples, BARS, lambda returns: returns @ _WEIGHTS)
    return np.asarray(sums / (samples.volatility[:, None] * np.sqrt((_WEIGHTS**2).sum(axis=0))))


def fit(spec: ModelSpec, samples: Samples, split: Split) -> Floats:
    """Solve for what a head's linear path begins with.

    Parameters
    ----------
    spec
        Task and horizon.
    samples
        Samples known at the cutoff.
    split
        Rows to fit on; on those to validate on the penalty is chosen, as the control's.

    Returns
    -------
    ndarray
        Weights of the trends, shape (len(RECENT),), for forecasts in units of the sample's scale.
    """
    fitted, held_out = samples.at(split.fit), samples.at(split.validation)
    weights, _ = ridge.solve(spec, (fitted, trends(fitted)), (held_out, trends(held_out)))
    return weights
