"""A checkpoint in use on series: original units, never a later row."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from foundation_bars import TINY, noise, one_series
from test_foundation_checkpoint import write

from lim_pipelines.foundation.inference import LIM
from lim_pipelines.foundation.series import VARIABLES

SERIES = one_series(noise(120))
ENDS = np.array([8, 31, 60, 119])


@pytest.fixture(scope="module")
def lim(tmp_path_factory: pytest.TempPathFactory) -> LIM:
    folder, _ = write(tmp_path_factory.mktemp("models"))
    loaded = LIM.load(folder)
    torch.manual_seed(1)
    for weights in loaded.model.parameters():
        # Blocks begin as the identity and decoders at zero, so that nothing would be tested.
        weights.data += 0.05 * torch.randn_like(weights)
    return loaded


def test_shapes_and_units(lim: LIM) -> None:
    assert lim.embed_series(SERIES, ENDS).shape == (4, 64)
    said = lim.forecast_series(SERIES, ENDS)
    assert said.shape == (4, TINY.horizon, len(VARIABLES))
    assert np.abs(said[..., 0]).max() < 0.2  # daily log returns
    assert 5 < said[..., 4].mean() < 15  # log volume
    assert lim.embed_series(SERIES, ENDS[:0]).shape == (0, 64)
    assert lim.forecast_series(SERIES, ENDS[:0]).shape == (0, TINY.horizon, len(VARIABLES))


def test_no_answer_depends_on_a_later_row(lim: LIM) -> None:
    for end in ENDS:
        part = replace(
            SERIES,
            **{name: getattr(SERIES, name)[: end + 1] for name in ("ts", "known_at", "values", "calendar")},
        )
        now = np.array([end])
        np.testing.assert_array_equal(lim.embed_series(part, now), lim.embed_series(SERIES, now))
        np.testing.assert_array_equal(lim.forecast_series(part, now), lim.forecast_series(SERIES, now))


def test_batches_do_not_show(lim: LIM) -> None:
    ends = np.arange(20, 110)  # more than are read at a time
    whole = lim.embed_series(SERIES, ends)
    some = np.concatenate([lim.embed_series(SERIES, part) for part in np.split(ends, 6)])
    np.testing.assert_allclose(some, whole, rtol=1e-4, atol=1e-5)


def test_an_instrument_never_seen_with_the_close_alone(lim: LIM) -> None:
    said = lim.forecast_series(one_series(noise(60), "XNYM:WTI", close_only=True), np.array([59]))
    assert np.isfinite(said[..., 0]).all()
    assert np.isnan(said[..., 1:]).all()
