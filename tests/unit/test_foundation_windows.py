"""Windows: the right rows, padded; how far they reach."""

import numpy as np
import pytest
from foundation_bars import noise, one_series

from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.series import DAY
from lim_pipelines.foundation.windows import (
    HELD_OUT_DAYS,
    WindowStore,
    held_out_from,
    split_time,
    target_span,
)

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


def test_the_held_out_time_is_the_latest() -> None:
    moment = split_time(WindowStore([LONG, SHORT], 16, 4), 0.1)
    assert moment == pytest.approx(LONG.ts[0] + 0.9 * (LONG.ts[-1] - LONG.ts[0]))


def test_a_training_holds_out_a_share_of_the_time_but_no_more_than_a_quarter_of_a_year() -> None:
    one, other = LONG.ts[[0, -1]]
    assert held_out_from(WindowStore([LONG], 16, 4)) == pytest.approx(other - 0.04 * (other - one))
    old = one_series(noise(2600), "XNYS:SPX")
    assert held_out_from(WindowStore([LONG, old], 16, 4)) == int(old.ts[-1]) - HELD_OUT_DAYS * DAY


def test_the_reach_of_many_windows_is_that_of_the_outermost() -> None:
    windows = WindowStore([SHORT, LONG], 16, 4)
    picks = np.array([[1, 50], [1, 20], [1, 70], [0, 5]])
    assert target_span(windows, picks, 4) == (int(SHORT.ts[6]), int(LONG.ts[74]))
    assert target_span(windows, np.array([[1, 99]]), 4) == (int(LONG.ts[99]),) * 2  # nothing is there yet
