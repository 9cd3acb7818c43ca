"""The fast path: the same weights, the same answers but for a stated error."""

import numpy as np
import pytest
import torch
from foundation_bars import TINY, bars, noise, one_series
from test_foundation_checkpoint import meta

from lim_pipelines.foundation.inference import LIM
from lim_pipelines.foundation.model import FoundationModel

SERIES = one_series(noise(120))


@pytest.fixture(scope="module")
def lim() -> LIM:
    torch.manual_seed(1)
    model = FoundationModel(TINY)
    for weights in model.parameters():
        # Blocks begin as the identity and decoders at zero, so that nothing would be tested.
        weights.data += 0.1 * torch.randn_like(weights)
    return LIM(model, meta())


@pytest.fixture(scope="module")
def fast(lim: LIM) -> LIM:
    return lim.fast()


@pytest.mark.parametrize("ends", [[119], [8, 31, 60, 119]], ids=["one", "many"])
def test_the_fast_path_says_the_same(lim: LIM, fast: LIM, ends: list[int]) -> None:
    # 8 bars of history among them: what was never seen is no key there, either.
    slow, quick = (one.embed_series(SERIES, np.array(ends)) for one in (lim, fast))
    apart = np.abs(slow - quick)
    assert 0 < apart.max() < 0.15  # of states whose mean square is 1; 0 would be the model itself
    assert apart.mean() < 0.03


def test_a_short_history_alone(lim: LIM, fast: LIM) -> None:
    slow, quick = (one.embed_series(SERIES, np.array([8])) for one in (lim, fast))
    assert np.abs(slow - quick).max() < 0.15


def test_the_whole_api_runs_on_it(lim: LIM, fast: LIM) -> None:
    slow, quick = (one.forecast(bars(noise(90)), horizon=10) for one in (lim, fast))
    assert slow.select("step", "variable").equals(quick.select("step", "variable"))
    np.testing.assert_allclose(slow["q50"], quick["q50"], rtol=0.1, atol=0.01)


def test_other_layouts_have_no_fast_path() -> None:
    model = FoundationModel(TINY.model_copy(update={"layout": "two_level"}))
    with pytest.raises(ValueError, match=r"two_level.*Use the model as it is"):
        LIM(model, meta()).fast()


def test_coarser_bars_that_a_context_lacks_are_as_good_as_read() -> None:
    torch.manual_seed(1)
    slow = LIM(FoundationModel(TINY.model_copy(update={"coarse": 16})), meta())
    values = np.stack([SERIES.values[-50:], SERIES.values[-60:-10]])
    for some in (values[:1], values):
        assert np.abs(slow.embed(some) - slow.fast().embed(some)).max() < 0.15
