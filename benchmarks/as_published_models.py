"""What is asked to rank shares, but the networks: three rules, a line, trees; a call fits and foretells.

Every model is given what it is fitted on, what chooses among its own fits, and the sessions to foretell; it
says (sessions, N) numbers, the larger the better, whatever of them can be traded. Settings are the usual ones
of the field, and none was tuned here.

What does not belong here: inputs (`as_published_data.py`), networks (`as_published_nets.py`), books.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.as_published_data import Floats, Inputs
from lim_pipelines.finetune.base import rank_correlation

MONTH = 20
"""Sessions of the momentum."""
PENALTIES = (1e-4, 1e-2, 1.0, 100.0)
"""Ridge: of the rows, chosen by rank IC on the validation sessions."""
TREES = 150


@dataclass(frozen=True)
class Job:
    """One fit.

    Parameters
    ----------
    fitted, validation
        Sessions of `inputs` with labels.
    asked
        Panels to foretell, and the sessions of each; the first is that of `inputs`.
    seed
        Of whatever is random.
    """

    inputs: Inputs
    fitted: Sequence[int]
    validation: Sequence[int]
    asked: Sequence[tuple[Inputs, Sequence[int]]]
    seed: int


Model = Callable[[Job], list[Floats]]


def reversal(job: Job) -> list[Floats]:
    """Less the last return: the floor, without a parameter."""
    return [_past(inputs, days, 1, -1.0) for inputs, days in job.asked]


def momentum(job: Job) -> list[Floats]:
    """Return of the last month."""
    return [_past(inputs, days, MONTH, 1.0) for inputs, days in job.asked]


def _past(inputs: Inputs, days: Sequence[int], back: int, sign: float) -> Floats:
    rows = np.asarray(days)
    return np.asarray(sign * (inputs.filled[rows] / inputs.filled[rows - back] - 1.0))


def distance(job: Job) -> list[Floats]:
    """How far below what prices are divided by: where that knows the future, this is the leak, bare."""
    return [-np.asarray(inputs.filled[list(days)] / inputs.scale[list(days)]) for inputs, days in job.asked]


def ridge(job: Job) -> list[Floats]:
    """Linear in what the networks read."""
    x, y = job.inputs.rows(job.fitted)
    mean, spread = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64) + 1e-9
    z = (x - mean) / spread
    square, product = z.T @ z / len(z), z.T @ (y - y.mean()) / len(z)
    fits = [np.linalg.solve(square + p * np.eye(len(square)), product) for p in PENALTIES]

    def say(inputs: Inputs, days: Sequence[int], beta: Floats) -> Floats:
        flat = (inputs.x(t).reshape(len(inputs.panel.names), -1) for t in days)
        return np.stack([((rows - mean) / spread) @ beta + y.mean() for rows in flat])

    judged = [mean_rank_ic(say(job.inputs, job.validation, b), job.inputs, job.validation) for b in fits]
    best = fits[int(np.argmax(judged))]
    return [say(inputs, days, best) for inputs, days in job.asked]


def trees(job: Job) -> list[Floats]:
    """Gradient-boosted trees (LightGBM) on the same."""
    import lightgbm

    x, y = job.inputs.rows(job.fitted[::2])
    settings = {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_data_in_leaf": 500,
        "bagging_fraction": 0.5,
        "bagging_freq": 1,
        "feature_fraction": 0.5,
        "num_threads": 1,
        "seed": job.seed,
        "deterministic": True,
        "verbosity": -1,
    }
    # One return of 2,000 % would be all that squared error sees.
    low, high = np.quantile(y, (0.001, 0.999))
    fit = lightgbm.train(settings, lightgbm.Dataset(x, np.clip(y, low, high)), TREES)
    out = []
    for inputs, days in job.asked:
        flat = (inputs.x(t).reshape(len(inputs.panel.names), -1) for t in days)
        out.append(np.stack([np.asarray(fit.predict(rows)) for rows in flat]))
    return out


def mean_rank_ic(said: Floats, inputs: Inputs, days: Sequence[int]) -> float:
    """Mean over sessions of the rank correlation of what was said and what came, over what was there."""
    found = []
    for row, t in zip(said, days, strict=True):
        own = inputs.there[t] & np.isfinite(inputs.label[t])
        found.append(rank_correlation(row[own], inputs.label[t][own]) if own.sum() > 1 else np.nan)
    return float(np.nanmean(found)) if np.isfinite(found).any() else 0.0
