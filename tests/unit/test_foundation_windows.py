"""Windows: the right rows, padded, drawn evenly and only from where they may be."""

import numpy as np
import pytest
from foundation_bars import noise, one_series
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.windows import Span, WindowSampler, WindowStore, split_time

EVER = Span(-(2**62), 2**62)
LONG, SHORT = one_series(noise(100)), one_series(noise(12, 1), "XNAS:AAPL")


def test_a_window_is_the_rows_around_its_end() -> None:
    batch = WindowStore([SHORT, LONG], context=16, horizon=4).batch(np.array([[1, 50], [1, 99], [0, 3]]))
    np.testing.assert_array_equal(batch.values[0], LONG.values[35:51])
    np.testing.assert_array_equal(batch.future[0], LONG.values[51:55])
    np.testing.assert_array_equal(batch.calendar[0], LONG.calendar[35:51])
    assert np.isnan(batch.future[1]).all()  # the future is not there yet
    assert np.isnan(batch.values[2, :12]).all()  # before the history, not the neighbour's rows
    assert (batch.calendar[2, :12] == 0).all()
    np.testing.assert_array_equal(batch.values[2, 12:], SHORT.values[:4])
    np.testing.assert_array_equal(batch.future[2], SHORT.values[4:8])
    assert batch.freq.tolist() == [FREQS.index("1d")] * 3


def test_a_long_context_never_reaches_into_the_neighbour() -> None:
    batch = WindowStore([LONG, SHORT, LONG], context=64, horizon=64).batch(np.array([[1, 11], [2, 0]]))
    assert np.isnan(batch.values[0, :52]).all()
    assert np.isnan(batch.future).sum() == batch.future.size - np.isfinite(LONG.values[1:65]).sum()


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    horizon=st.integers(1, 10),
    patch=st.integers(1, 8),
    start=st.integers(-5, 60),
    width=st.integers(1, 70),
)
def test_drawn_windows_lie_in_their_span(
    lengths: list[int], horizon: int, patch: int, start: int, width: int
) -> None:
    clock = one_series(noise(140)).ts
    series = [one_series(noise(n, i)) for i, n in enumerate(lengths)]
    span = Span(int(clock[max(start, 0)]), int(clock[min(start + width, 139)]))
    sampler = WindowSampler(series, horizon=horizon, patch=patch, span=span)
    allowed = {
        (i, end)
        for i, one in enumerate(series)
        for end in range(patch, len(one) - horizon)
        if one.ts[end] >= span.start and one.ts[end + horizon] < span.end
    }
    assert len(sampler) == len(allowed)
    if allowed:
        drawn = {(int(i), int(end)) for i, end in sampler.draw(200, 1, 2)}
        assert drawn <= allowed
        spread = [tuple(pick) for picks in sampler.spread(1000).values() for pick in picks.tolist()]
        assert sorted(spread) == sorted(allowed)


def test_the_same_seed_draws_the_same_windows() -> None:
    sampler = WindowSampler([LONG], horizon=8, patch=8, span=EVER)
    np.testing.assert_array_equal(sampler.draw(64, 3, 7), sampler.draw(64, 3, 7))
    assert (sampler.draw(64, 3, 7) != sampler.draw(64, 3, 8)).any()


def test_exchanges_weigh_alike_however_many_bars_they_have() -> None:
    series = [one_series(noise(300, i), f"XNYS:{n}") for i, n in enumerate(("IBM", "SPX"))]
    series.append(one_series(noise(40), "XNAS:AAPL"))
    sampler = WindowSampler(series, horizon=8, patch=8, span=EVER)
    share = np.bincount(sampler.draw(8000, 1)[:, 0]) / 8000
    np.testing.assert_allclose(share, [0.25, 0.25, 0.5], atol=0.03)


def test_validation_windows_are_spread_over_all_of_them() -> None:
    sampler = WindowSampler([LONG, SHORT], horizon=2, patch=2, span=EVER)
    spread = sampler.spread(5)
    assert {name: len(picks) for name, picks in spread.items()} == {("XNAS", "1d"): 5, ("XNYS", "1d"): 5}
    assert spread["XNYS", "1d"][[0, -1], 1].tolist() == [2, 97]


def test_the_held_out_time_is_the_latest() -> None:
    moment = split_time([LONG, SHORT], 0.1)
    assert moment == pytest.approx(LONG.ts[0] + 0.9 * (LONG.ts[-1] - LONG.ts[0]))


def test_no_window_is_no_error_until_it_is_drawn() -> None:
    sampler = WindowSampler([SHORT], horizon=8, patch=8, span=EVER)
    assert len(sampler) == 0
    assert sampler.spread(5) == {}
