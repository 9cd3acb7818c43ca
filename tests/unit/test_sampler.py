"""Drawing windows: evenly within groups, by weight between them, only from where they may be."""

import numpy as np
import pytest
from foundation_bars import noise, one_series
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.foundation.config import Mix
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import Series
from lim_pipelines.foundation.windows import Span, WindowStore

EVER = Span(-(2**62), 2**62)
LONG, SHORT = one_series(noise(100)), one_series(noise(12, 1), "XNAS:AAPL")
CLOCK = one_series(noise(140)).ts


def store(*series: Series) -> WindowStore:
    return WindowStore(series, 16, 8)


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    horizon=st.integers(1, 10),
    patch=st.integers(1, 8),
    start=st.integers(0, 60),
    width=st.integers(1, 70),
    recent=st.one_of(st.none(), st.integers(0, 80)),
    replay=st.floats(0, 1),
)
def test_drawn_windows_lie_in_their_span_and_spread_ones_are_all_of_them(
    lengths: list[int],
    horizon: int,
    patch: int,
    start: int,
    width: int,
    recent: int | None,
    replay: float,
) -> None:
    series = [one_series(noise(n, i)) for i, n in enumerate(lengths)]
    span = Span(int(CLOCK[start]), int(CLOCK[min(start + width, 139)]))
    sampler = WindowSampler(
        store(*series),
        horizon=horizon,
        patch=patch,
        span=span,
        recent_from=None if recent is None else int(CLOCK[recent]),
        replay=replay,
    )
    allowed = {
        (i, end)
        for i, one in enumerate(series)
        for end in range(patch, len(one) - horizon)
        if one.ts[end] >= span.start and one.ts[end + horizon] < span.end
    }
    assert len(sampler) == sampler.counts.sum() == len(allowed)
    if allowed:
        drawn = {(int(i), int(end)) for i, end in sampler.draw(200, 1, 2)}
        assert drawn <= allowed
        spread = [tuple(pick) for picks in sampler.spread(1000).values() for pick in picks.tolist()]
        assert sorted(spread) == sorted(allowed)
    else:
        assert sampler.spread(5) == {}


def test_a_draw_depends_on_its_seed_and_on_nothing_before_it() -> None:
    sampler = WindowSampler(store(LONG), horizon=8, patch=8, span=EVER)
    first = sampler.draw(64, 3, 7)
    assert (sampler.draw(64, 3, 8) != first).any()
    np.testing.assert_array_equal(sampler.draw(64, 3, 7), first)


def test_groups_weigh_alike_however_many_bars_they_have() -> None:
    names = ("XNYS:IBM", "XNYS:IBM", "XNYS:SPX", "XNAS:AAPL")
    series = [one_series(noise(40 if name == "XNAS:AAPL" else 300, i), name) for i, name in enumerate(names)]
    sampler = WindowSampler(store(*series), horizon=8, patch=8, span=EVER)
    share = np.bincount(sampler.draw(12_000, 1)[:, 0]) / 12_000
    np.testing.assert_allclose(share, [1 / 6, 1 / 6, 1 / 3, 1 / 3], atol=0.02)
    assert sampler.shares == pytest.approx(dict.fromkeys(sampler.groups, 1 / 3))


def test_weights_are_those_of_the_mix() -> None:
    windows = store(
        one_series(noise(300)), one_series(noise(300), "XNYS:SPX"), one_series(noise(52), "XNAS:AAPL")
    )
    mix = Mix(exponent=1.0, weights={"XNYS": 0.5, "XNYS/index": 0})
    sampler = WindowSampler(windows, horizon=8, patch=8, span=EVER, mix=mix)
    share = np.bincount(sampler.draw(8000, 1)[:, 0], minlength=3) / 8000
    counts = np.array([0.5 * 284, 0, 36])
    np.testing.assert_allclose(share, counts / counts.sum(), atol=0.02)
    assert len(sampler) == 284 * 2 + 36  # left out of the draw, not out of the count


def test_what_is_left_out_is_never_drawn_and_still_counted() -> None:
    windows = store(LONG, one_series(noise(100, 5)))
    sampler = WindowSampler(windows, horizon=8, patch=8, span=EVER, left_out={0})
    assert set(sampler.draw(500, 1)[:, 0]) == {1}
    assert len(sampler) == 2 * 84


@pytest.mark.parametrize("replay", [0.0, 0.3, 1.0])
def test_replay_is_the_share_of_windows_without_a_newer_bar(replay: float) -> None:
    border = int(LONG.ts[80])
    sampler = WindowSampler(store(LONG), horizon=8, patch=8, span=EVER, recent_from=border, replay=replay)
    ends = sampler.draw(6000, 1)[:, 1]
    old = LONG.ts[ends + 8] < border
    assert old.mean() == pytest.approx(replay, abs=0.02)
    assert len(np.unique(ends[old])) in (0, 64)  # rows 8 to 71
    assert len(np.unique(ends[~old])) in (0, 20)  # rows 72 to 91


def test_without_newer_bars_all_is_replayed() -> None:
    late = int(LONG.ts[-1]) + 1
    sampler = WindowSampler(store(LONG), horizon=8, patch=8, span=EVER, recent_from=late, replay=0.0)
    assert len(sampler.draw(10, 1)) == 10


def test_validation_windows_are_spread_over_all_of_them() -> None:
    sampler = WindowSampler(store(LONG, SHORT), horizon=2, patch=2, span=EVER)
    spread = sampler.spread(5)
    assert {name: len(picks) for name, picks in spread.items()} == {("XNAS", "1d"): 5, ("XNYS", "1d"): 5}
    assert spread["XNYS", "1d"][[0, -1], 1].tolist() == [2, 97]


def test_no_window_is_no_error_until_it_is_drawn() -> None:
    empty = WindowSampler(store(SHORT), horizon=8, patch=8, span=EVER)
    assert (len(empty), empty.spread(5), empty.shares) == (0, {}, {})
    shut = WindowSampler(store(LONG), horizon=8, patch=8, span=EVER, mix=Mix(weights={"XNYS": 0}))
    with pytest.raises(ValueError, match="XNYS/equity/1d the mix leaves out"):
        shut.draw(1, 0)
