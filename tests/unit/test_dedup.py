"""Twins are found from returns alone, from the past alone, among many; what only moves alike is none."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from lim_pipelines.foundation.config import Mix
from lim_pipelines.foundation.dedup import correlation, twins
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Series
from lim_pipelines.foundation.windows import WindowStore

DAY = 86_400_000_000
LAST = 2**62
EVEN = Mix()
Floats = npt.NDArray[np.float64]


def series(returns: Floats, first: int = 0, name: str = "XNYS:A", freq: str = "1d") -> Series:
    step = {"1d": DAY, "1m": 60_000_000}[freq]
    days = np.arange(first, first + len(returns), dtype=np.int64)
    ts = (days + days // 5 * 2) * step + step * 5 // 6  # five bars, two without
    values = np.zeros((len(returns), len(VARIABLES)), dtype=np.float32)
    values[:, 0] = returns
    values[0, 0] = np.nan
    calendar = np.zeros((len(returns), len(CALENDAR)), dtype=np.float32)
    return Series(name, "XNYS", "equity", freq, ts, ts, values, calendar)


def moves(count: int, seed: int) -> Floats:
    drawn: Floats = 0.01 * np.random.default_rng(seed).standard_t(4, count)
    return drawn


def found(*given: Series, until: int = LAST, mix: Mix = EVEN) -> dict[int, int]:
    return twins(WindowStore(given, 8, 8), until, mix)


def correlated(returns: Floats, rho: float, seed: int = 99) -> Floats:
    mixed: Floats = rho * returns + np.sqrt(1 - rho**2) * moves(len(returns), seed)
    return mixed


def test_the_same_share_from_a_second_vendor_is_a_twin_of_the_longer_history() -> None:
    share = moves(800, 0)
    rounded = np.round(share[100:], 4)
    rounded[200] = 0.9  # a bad tick
    shifted = replace(series(rounded, first=100), ts=series(rounded, first=100).ts + 3_600_000_000)
    assert found(shifted, series(moves(900, 1)), series(share)) == {0: 2}


@pytest.mark.parametrize(("rho", "same"), [(0.9, False), (0.97, False), (0.997, True), (0.9999, True)])
def test_only_what_is_nearly_identical_is_a_twin(rho: float, same: bool) -> None:
    share = moves(1500, 0)
    assert found(series(share), series(correlated(share, rho))) == ({1: 0} if same else {})


def test_a_cluster_has_one_that_stands_for_all() -> None:
    share = moves(1000, 0)
    three = [series(correlated(share, 0.9999, seed)) for seed in range(3)]
    assert found(*three, series(moves(1000, 5))) == {1: 0, 2: 0}


def test_what_stands_for_a_series_covers_it() -> None:
    # Contracts of a future: each overlaps the next for half of its life, and is nearly it there.
    future = moves(1000, 0)
    chain = [series(future[start : start + 400], first=start) for start in range(0, 601, 200)]
    assert found(*chain) == {}
    middle = series(future[390:690], first=390)  # covered by no contract whole, by the third for 290 of 300
    assert found(*chain, middle) == {4: 2}


def test_of_a_large_cluster_one_is_kept() -> None:
    share = moves(1000, 0)
    many = [series(share[10 * k :], first=10 * k) for k in range(12)]
    assert found(*reversed(many)) == dict.fromkeys(range(11), 11)


def test_no_twin_is_found_in_bars_that_were_not_there_yet() -> None:
    share, other = moves(1000, 0), moves(1000, 1)
    grown = np.concatenate([other[:500], share[500:]])
    pair = series(share), series(grown)
    middle = int(pair[0].ts[500])
    assert found(*pair, until=middle) == {}
    # Whatever comes later changes nothing.
    early = series(share[:500]), series(share[:500])
    late = series(share), series(np.concatenate([share[:500], other[500:]]))
    assert found(*early, until=middle) == found(*late, until=middle) == {1: 0}


def test_what_stands_for_another_was_the_longer_one_by_then() -> None:
    share = moves(1000, 0)
    middle = int(series(share).ts[500])
    # The second goes on for longer, but by then the first had more.
    assert found(series(share[:600]), series(share[20:], first=20), until=middle) == {1: 0}


def test_what_is_never_drawn_stands_for_nothing() -> None:
    share = moves(1000, 0)
    refused = replace(series(share), exchange="XNAS")
    pair = refused, series(share[100:], first=100)
    assert found(*pair) == {1: 0}
    assert found(*pair, mix=Mix(weights={"XNAS": 0})) == {}
    assert found(*pair, pair[1], mix=Mix(weights={"XNAS": 0})) == {2: 1}
    assert found(*pair, mix=Mix(dedup=False)) == {}


def test_another_frequency_and_too_short_an_overlap_are_no_twins() -> None:
    share = moves(600, 0)
    assert found(series(share), series(share, freq="1m")) == {}
    assert found(series(share[:330]), series(share[300:], first=300)) == {}
    assert correlation(WindowStore([series(share)] * 2, 8, 8), 0, 1, LAST) == pytest.approx(1)


def test_dead_and_straight_lines_and_scraps_are_no_twins() -> None:
    still, rising = np.zeros(600), np.full(600, 0.001)
    assert (
        found(*[series(line) for line in (still, still, rising, rising * 2, moves(5, 0), moves(5, 0))]) == {}
    )


def test_planted_twins_are_found_among_a_thousand_that_share_a_market() -> None:
    market = moves(700, 0)
    many = [series(0.6 * market + 0.8 * moves(700, 1 + k)) for k in range(1000)]
    planted = {1000 + k: 37 * k for k in range(20)}
    rng = np.random.default_rng(3)
    for own in planted.values():
        many.append(series(many[own].values[:, 0] * (1 + 0.01 * rng.standard_normal(700))))
    assert found(*many) == planted
