r"""Ridge regression on the same context: the linear control.

Inputs are the window's close returns over their own root mean square, those of related instruments where a
task has any, and the same features as the neural arms. With :math:`\sigma_i` the sample's scale and
:math:`\tilde x` the inputs (of a cross-section relative to the session's mean, as the forecast will be):

.. math:: b = \arg\min_b \sum_i \bigl((y_i - \sigma_i \tilde x_i^\top b) / \sigma_i\bigr)^2
    + \lambda n \lVert b\rVert^2

:math:`\lambda` is the best of a fixed grid on the purged validation tail, where the neural arms stop early.

What does not belong here: torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lim_pipelines.finetune.base import targets
from lim_pipelines.finetune.samples import Floats, Indices, Samples, demean
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.finetune.spec import RELATIVE_TASKS, ModelSpec
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation.series import VARIABLES
from lim_pipelines.foundation.windows import WindowStore

PENALTIES = tuple(10.0**k for k in range(-3, 4))
_CLOSE = VARIABLES.index("close")


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge regression; a `Forecaster`.

    Parameters
    ----------
    coefficients
        Shape (1 + context + K context + F,): constant, lags (oldest first), those of K related instruments,
        features.
    scaling
        Of the features, fitted before the cutoff.
    context
        Lags.
    penalty
        lambda.
    """

    coefficients: Floats
    scaling: Scaling
    context: int
    penalty: float

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        return np.asarray(inputs(samples, self.scaling, self.context) @ self.coefficients)[:, None]


def inputs(samples: Samples, scaling: Scaling, context: int) -> Floats:
    """Regressors of N samples, shape (N, 1 + context + K context + F): of K related instruments, too."""
    store = WindowStore(samples.series, context, 1)
    lags = [_lags(store, samples.picks, context)]
    for k in range(samples.others.shape[1]):
        there = samples.others[:, k, 1] >= 0
        beside = np.zeros((len(samples), context))
        beside[there] = _lags(store, samples.others[there, k], context)
        lags.append(beside)
    return np.concatenate([np.ones((len(samples), 1)), *lags, scaling.apply(samples.features)], axis=1)


def _lags(store: WindowStore, picks: Indices, context: int) -> Floats:
    """Close returns of windows over their own root mean square, shape (B, context); 0 where missing."""
    lags = np.nan_to_num(store.batch(picks).values[:, :, _CLOSE].astype(np.float64)).reshape(-1, context)
    return np.asarray(lags / np.maximum(np.sqrt((lags**2).mean(axis=1, keepdims=True)), 1e-6))


def fit(spec: ModelSpec, samples: Samples, split: Split, context: int) -> Ridge:
    """Fit on the split's rows, choose the penalty on its validation tail.

    Parameters
    ----------
    spec
        Task and horizon.
    samples
        Samples known at the cutoff.
    split
        Rows to fit on and to validate on.
    context
        Lags; the backbone's L_X.
    """
    fitted, held_out = samples.at(split.fit), samples.at(split.validation)
    scaling = Scaling.of(fitted.features)
    coefficients, penalty = solve(
        spec,
        (fitted, inputs(fitted, scaling, context)),
        (held_out, inputs(held_out, scaling, context)),
    )
    return Ridge(coefficients, scaling, context, penalty)


def solve(
    spec: ModelSpec, fitted: tuple[Samples, Floats], held_out: tuple[Samples, Floats]
) -> tuple[Floats, float]:
    """Regress labels, in units of the sample's scale, on anything; see the module.

    Parameters
    ----------
    spec
        Task and horizon.
    fitted, held_out
        Samples and their regressors (N, k): those that are fitted on, those that choose the penalty.

    Returns
    -------
    coefficients, penalty
        Shape (k,); lambda.
    """
    x, y = _whitened(spec, *fitted)
    x_out, y_out = _whitened(spec, *held_out)
    values, vectors = np.linalg.eigh(x.T @ x / len(y))
    projected = vectors.T @ (x.T @ y / len(y))
    paths = [vectors @ (projected / (np.maximum(values, 0.0) + penalty)) for penalty in PENALTIES]
    errors = [float(((y_out - x_out @ b) ** 2).mean()) for b in paths]
    best = int(np.argmin(errors))
    return paths[best], PENALTIES[best]


def _whitened(spec: ModelSpec, samples: Samples, x: Floats) -> tuple[Floats, Floats]:
    """Regressors and labels in units of the sample's scale, in which errors weigh alike."""
    scale = samples.scale(spec.horizon)
    if spec.task in RELATIVE_TASKS:
        x = demean(x * scale[:, None], samples.groups()) / scale[:, None]
    return x, targets(spec.task, samples) / scale
