"""Every baseline: paths of the promised shape, of the context alone, the same for the same seed."""

from dataclasses import replace

import numpy as np
import pytest
from foundation_bars import TINY, noise, one_series

from lim_pipelines.foundation.baselines.base import Expecting, Forecaster
from lim_pipelines.foundation.baselines.historical import Ewma
from lim_pipelines.foundation.baselines.registry import BASELINES
from lim_pipelines.foundation.series import VARIABLES
from lim_pipelines.foundation.windows import WindowStore

CONTEXT, HORIZON = 64, 8
CLOSE, VOLUME = VARIABLES.index("close"), VARIABLES.index("volume")
SERIES = [one_series(noise(160, seed)) for seed in range(2)]
SILENT = one_series(noise(160, 2), close_only=True)
DEAD = replace(SERIES[0], values=np.full_like(SERIES[0].values, np.nan))
STORE = WindowStore([*SERIES, SILENT, DEAD], CONTEXT, HORIZON)
CONFIG = TINY.model_copy(update={"context": CONTEXT, "horizon": HORIZON, "steps_first": 3})
TRAINING = np.array([(i, end) for i in range(2) for end in range(40, 110)])
# A full context, a short one, one that begins, one without volume, one without anything.
JUDGED = STORE.batch(np.array([(0, 120), (1, 30), (1, 4), (2, 120), (3, 120)]))


@pytest.fixture(scope="module", params=sorted(BASELINES))
def fitted(request: pytest.FixtureRequest) -> Forecaster:
    forecaster = BASELINES[request.param](CONFIG)
    assert forecaster.name == request.param
    forecaster.fit(STORE, TRAINING)
    return forecaster


def test_paths_are_there_where_the_context_shows_something(fitted: Forecaster) -> None:
    paths = fitted.sample(JUDGED, HORIZON, 20, 1)
    assert paths.shape == (20, 5, HORIZON, len(VARIABLES))
    assert paths.dtype == np.float32
    assert np.isfinite(paths[:, :4, :, CLOSE]).all()
    assert np.isfinite(paths[:, :3, :, VOLUME]).all()
    assert np.isnan(paths[:, 3, :, VOLUME]).all()
    assert np.isnan(paths[:, 4]).all()
    # In original units: returns of 1 %, log volumes around 10.
    assert 0.004 < paths[:, 0, :, CLOSE].std() < 0.025
    assert abs(paths[:, 0, :, VOLUME].mean() - 10) < 3


def test_a_shorter_horizon_may_be_asked_for(fitted: Forecaster) -> None:
    assert fitted.sample(JUDGED, 3, 2, 1).shape == (2, 5, 3, len(VARIABLES))


def test_paths_depend_on_the_context_and_the_seed_alone(fitted: Forecaster) -> None:
    paths = fitted.sample(JUDGED, HORIZON, 4, 7)
    np.testing.assert_array_equal(fitted.sample(JUDGED, HORIZON, 4, 7), paths)
    unknown = JUDGED._replace(future=np.full_like(JUDGED.future, np.nan))
    np.testing.assert_array_equal(fitted.sample(unknown, HORIZON, 4, 7), paths)
    assert (fitted.sample(JUDGED, HORIZON, 4, 8)[:, 0, :, CLOSE] != paths[:, 0, :, CLOSE]).any()
    louder = JUDGED._replace(values=JUDGED.values * np.float32(2))
    assert (fitted.sample(louder, HORIZON, 4, 7)[:, 0, :, CLOSE] != paths[:, 0, :, CLOSE]).any()


def test_the_expected_return_is_the_mean_of_the_paths(fitted: Forecaster) -> None:
    assert isinstance(fitted, Expecting)
    said = fitted.expected(JUDGED, HORIZON)
    assert said.shape == (5, HORIZON)
    assert said.dtype == np.float32
    assert np.isnan(said[4]).all()
    drawn = fitted.sample(JUDGED, HORIZON, 2000, 2)[:, :4, :, CLOSE].astype(np.float64)
    # Means of 32 bars; five standard errors.
    assert (np.abs(drawn.mean(0) - said[:4]) < 5 * drawn.std(0) / np.sqrt(2000)).all()


@pytest.mark.parametrize("name", ["ridge", "lightgbm", "dlinear", "patchtst"])
def test_what_learns_says_what_it_was_not_fitted_on(name: str) -> None:
    forecaster = BASELINES[name](CONFIG)
    with pytest.raises(ValueError, match=f"{name} was fitted on nothing, asked for 8"):
        forecaster.sample(JUDGED, HORIZON, 2, 0)


@pytest.mark.parametrize("name", ["ridge", "dlinear"])
def test_a_longer_horizon_than_the_fitted_one_is_refused(name: str) -> None:
    forecaster = BASELINES[name](CONFIG)
    forecaster.fit(STORE, TRAINING)
    with pytest.raises(ValueError, match=f"{name} was fitted on 8 bars, asked for 9"):
        forecaster.sample(JUDGED, 9, 2, 0)


def test_windows_without_returns_cannot_be_learned_from() -> None:
    with pytest.raises(ValueError, match="ridge: 0 of 20 windows show returns"):
        BASELINES["ridge"](CONFIG).fit(STORE, np.array([(3, end) for end in range(80, 100)]))


def test_garch_counts_the_windows_it_could_not_fit() -> None:
    garch = BASELINES["garch"](CONFIG)
    short = STORE.batch(np.array([(0, 30), (1, 40)]))
    paths = garch.sample(short, HORIZON, 4, 3)
    assert (garch.windows, garch.fallbacks) == (2, 2)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(paths[..., CLOSE], Ewma().sample(short, HORIZON, 4, 3)[..., CLOSE])
