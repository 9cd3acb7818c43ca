"""All controls by name: how each is fitted, kept in a file, and read again.

What does not belong here: a control itself (a file each), neural arms (`finetune/methods`).

A control has no seed. Most of them learn nothing, and what learns chooses its few numbers on the purged
validation tail, where the neural arms stop early. To add one, write its file and its entry here, and its name
in `finetune/spec.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lim_pipelines.finetune import ridge
from lim_pipelines.finetune.base import Forecaster
from lim_pipelines.finetune.controls import lightgbm
from lim_pipelines.finetune.controls.macd import Macd
from lim_pipelines.finetune.controls.tsmom import Tsmom
from lim_pipelines.finetune.persistence import Persistence
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import Split

Arrays = dict[str, npt.NDArray[Any]]


class Control(NamedTuple):
    """One control.

    Parameters
    ----------
    fit
        Spec, samples, split and the backbone's context in bars to the forecaster and what is said of its fit.
    arrays
        What of a forecaster is kept, by name.
    load
        Spec, the backbone's context and what was kept to the forecaster.
    """

    fit: Callable[[ModelSpec, Samples, Split, int], tuple[Forecaster, dict[str, float | None]]]
    arrays: Callable[[Any], Arrays]
    load: Callable[[ModelSpec, int, Mapping[str, npt.NDArray[Any]]], Forecaster]


def _rule(made: Callable[[ModelSpec], Forecaster]) -> Control:
    """Make a control that learns nothing and keeps nothing."""
    return Control(lambda spec, *_: (made(spec), {}), lambda _: {}, lambda spec, *_: made(spec))


def _fit_ridge(
    spec: ModelSpec, samples: Samples, split: Split, context: int
) -> tuple[Forecaster, dict[str, float | None]]:
    line = ridge.fit(spec, samples, split, context)
    return line, {"penalty": line.penalty}


def _ridge_arrays(line: ridge.Ridge) -> Arrays:
    return {
        "coefficients": line.coefficients,
        "feature_mean": line.scaling.mean,
        "feature_spread": line.scaling.spread,
        "penalty": np.array([line.penalty]),
    }


def _load_ridge(spec: ModelSpec, context: int, arrays: Mapping[str, npt.NDArray[Any]]) -> Forecaster:
    scaling = Scaling(arrays["feature_mean"], arrays["feature_spread"])
    return ridge.Ridge(arrays["coefficients"], scaling, context, float(arrays["penalty"][0]))


def _fit_trees(
    spec: ModelSpec, samples: Samples, split: Split, context: int
) -> tuple[Forecaster, dict[str, float | None]]:
    fitted, trees = lightgbm.fit(spec, samples, split)
    return fitted, {"trees": float(trees)}


def _trees_arrays(fitted: lightgbm.LightGbm) -> Arrays:
    return {"trees": np.frombuffer(fitted.trees.encode(), dtype=np.uint8)}


def _load_trees(spec: ModelSpec, context: int, arrays: Mapping[str, npt.NDArray[Any]]) -> Forecaster:
    return lightgbm.LightGbm(arrays["trees"].tobytes().decode())


CONTROLS: dict[str, Control] = {
    "persistence": _rule(lambda spec: Persistence(spec.horizon)),
    "tsmom": _rule(lambda spec: Tsmom()),
    "macd": _rule(lambda spec: Macd()),
    "ridge": Control(_fit_ridge, _ridge_arrays, _load_ridge),
    "lightgbm": Control(_fit_trees, _trees_arrays, _load_trees),
}
"""Controls by the name that a strategy's `controls:` calls them."""
