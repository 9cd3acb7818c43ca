"""Pretrained models of others: from a local path, or a sentence that says what is missing."""

from pathlib import Path

import numpy as np
import pytest
from foundation_bars import noise, one_series
from onnx import save
from onnx.parser import parse_model
from scipy.special import ndtri

from lim_pipelines.foundation.baselines.external import (
    LEVELS,
    External,
    MissingModelError,
    _inverted,
    chronos,
    onnx,
    tirex,
)
from lim_pipelines.foundation.series import VARIABLES
from lim_pipelines.foundation.windows import WindowStore

CLOSE, VOLUME = VARIABLES.index("close"), VARIABLES.index("volume")
STORE = WindowStore([one_series(noise(80)), one_series(noise(80, 1), close_only=True)], 32, 8)
JUDGED = STORE.batch(np.array([(0, 60), (1, 60)]))


AS_THE_CONTEXT = """
<ir_version: 8, opset_import: ["" : 18]>
normal (float[B, L] context) => (float[B, 8, 9] quantiles)
<int64[1] bars = {{1}}, int64[3] horizon = {{1, 8, 1}}, float[1, 1, 9] z = {{{z}}}>
{{
    wide = Unsqueeze (context, bars)
    axis = Constant <value_ints = [2]> ()
    mean = ReduceMean (wide, axis)
    around = Sub (wide, mean)
    squares = Mul (around, around)
    variance = ReduceMean (squares, axis)
    spread = Sqrt (variance)
    scaled = Mul (spread, z)
    said = Add (mean, scaled)
    quantiles = Expand (said, horizon)
}}
"""
"""A model that says quantiles of a normal distribution of the context's mean and spread, for 8 bars."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> External:
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    z = ", ".join(f"{x:.6f}" for x in ndtri(LEVELS))
    save(parse_model(AS_THE_CONTEXT.format(z=z)), path)
    return onnx(path)


def test_an_exported_model_forecasts_what_the_context_shows(model: External) -> None:
    paths = model.sample(JUDGED, 8, 400, 1)
    assert model.name == "tiny"
    assert paths.shape == (400, 2, 8, len(VARIABLES))
    assert np.isnan(paths[:, 1, :, VOLUME]).all()
    context = JUDGED.values[0]
    for variable in (CLOSE, VOLUME):
        drawn, seen = paths[:, 0, :, variable], context[:, variable]
        assert abs(drawn.mean() - seen.mean()) < 0.15 * seen.std()
        assert drawn.std() == pytest.approx(seen.std(), rel=0.15)
    np.testing.assert_array_equal(model.sample(JUDGED, 8, 3, 1), model.sample(JUDGED, 8, 3, 1))


def test_a_model_that_says_less_than_it_is_asked_is_refused(model: External) -> None:
    with pytest.raises(ValueError, match=r"tiny\.onnx: says \(8, 9\).*asked for \(9, 9\)"):
        model.sample(JUDGED, 9, 3, 1)


@pytest.mark.parametrize("load", [chronos, tirex, onnx])
def test_weights_that_are_not_there_are_not_downloaded(load: object, tmp_path: Path) -> None:
    assert callable(load)
    with pytest.raises(MissingModelError, match="nothing is downloaded"):
        load(tmp_path / "absent")


@pytest.mark.parametrize("load", [chronos, tirex])
def test_a_package_that_is_absent_is_named(load: object, tmp_path: Path) -> None:
    name = load.__name__  # type: ignore[attr-defined]
    try:
        __import__(name)
    except ImportError:
        assert callable(load)
        with pytest.raises(MissingModelError, match=f"{name}: the package is not installed; pip install"):
            load(tmp_path)


def test_draws_have_the_quantiles_that_were_said() -> None:
    said = np.sort(np.random.default_rng(0).standard_normal((1, 1, 9)), axis=2)
    uniform = (np.arange(10_000)[:, None, None] + 0.5) / 10_000
    drawn = _inverted(said, uniform)[:, 0, 0]
    assert (np.diff(drawn) >= 0).all()
    np.testing.assert_allclose(np.quantile(drawn, LEVELS), said[0, 0], atol=2e-3)
    assert drawn[0] < said[0, 0, 0]
    assert drawn[-1] > said[0, 0, -1]
