"""What is kept and what is lost: the matrix, its figures, and that judges are never trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foundation_bars import TINY
from hypothesis import given
from hypothesis import strategies as st

from lim_pipelines.foundation.forgetting import (
    Arm,
    Rolling,
    cells_of,
    forgetting,
    forward,
    kept,
    next_rows,
)
from lim_pipelines.foundation.forgetting_plot import forgetting_figure
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Series
from lim_pipelines.foundation.windows import WindowStore

DAY = 86_400_000_000
CUTOFFS = np.array([120, 160, 200]) * DAY
CONFIG = TINY.model_copy(update={"context": 16, "steps_first": 2, "steps_continual": 1})


def store(spoil: int | None = None) -> WindowStore:
    """Three instruments of each of two exchanges; one of them is spoilt."""
    out = []
    for at in range(6):
        rng = np.random.default_rng(at)
        ts = np.arange(1, 241, dtype=np.int64) * DAY
        values = np.full((240, len(VARIABLES)), np.nan, dtype=np.float32)
        values[:, 0] = 0.01 * rng.standard_normal(240) * (100 if at == spoil else 1)
        values[::2, 0] *= 3
        calendar = np.zeros((240, len(CALENDAR)), dtype=np.float32)
        out.append(Series(f"{at}", "one" if at < 3 else "other", "equity", "1d", ts, ts, values, calendar))
    return WindowStore(out, CONFIG.context, CONFIG.horizon)


def test_cells_are_of_held_out_instruments_and_of_their_stretch_alone() -> None:
    windows = store()
    cells = cells_of(windows, CONFIG, CUTOFFS, [2, 5])
    assert list(zip(cells.exchange, cells.stretch.tolist(), strict=True)) == [
        (name, k) for k in range(4) for name in ("one", "other")
    ]
    assert set(cells.picks[:, 0].tolist()) == {2, 5}
    edges = [0, *CUTOFFS.tolist(), 2**62]
    for (at, row), j in zip(cells.picks.tolist(), cells.cell.tolist(), strict=True):
        ts, k = windows.ts(at), int(cells.stretch[j])
        # The horizon lies in the stretch: the context may end at its very beginning.
        assert edges[k] <= ts[row]
        assert ts[row + CONFIG.horizon] < edges[k + 1]
    assert [len(rows) for rows in next_rows(cells, 3)] == [
        (cells.stretch[cells.cell] == k).sum() for k in (1, 2, 3)
    ]


def test_what_is_shared_is_trained_once_and_charged_to_all() -> None:
    torch.set_num_threads(1)
    windows = store()
    cells = cells_of(windows, CONFIG, CUTOFFS, [2, 5])
    rolling = Rolling(windows, CONFIG, CUTOFFS, cells, [2, 5], seed=0)
    scratch = rolling.run(Arm("scratch", 1, 1.0))
    on = rolling.run(Arm("on", 0, 0.5))
    assert scratch.matrix.shape == (3, 8)
    np.testing.assert_array_equal(scratch.matrix[0], on.matrix[0])
    assert not np.allclose(scratch.matrix[1], on.matrix[1])
    assert scratch.flops == pytest.approx(on.flops * 6 / 4)
    assert len(on.next_lost) == sum(map(len, next_rows(cells, 3)))


def test_judges_are_never_trained_on() -> None:
    """Spoiling an instrument that judges changes the scores of its own cells, and of no other."""
    torch.set_num_threads(1)
    matrices = []
    for spoilt in (None, 5):
        windows = store(spoilt)
        cells = cells_of(windows, CONFIG, CUTOFFS, [2, 5])
        rolling = Rolling(windows, CONFIG, CUTOFFS, cells, [2, 5], seed=0)
        matrices.append(rolling.run(Arm("on", 0, 0.5)).matrix)
    own = [j for j, name in enumerate(cells.exchange) if name == "one"]
    np.testing.assert_array_equal(matrices[0][:, own], matrices[1][:, own])


def test_forgetting_is_the_best_before_less_the_last() -> None:
    stretch = np.array([0, 1, 2, 3])
    matrix = np.array([[0.3, 0.0, 0.0, 0.1], [0.5, 0.2, 0.0, 0.2], [0.1, 0.4, 0.3, 0.3]])
    np.testing.assert_allclose(forgetting(matrix, stretch), [0.4, -0.2, np.nan, np.nan])
    assert kept(matrix, stretch) == pytest.approx((0.1 + 0.4 + 0.3) / 3)
    assert forward(matrix, stretch) == pytest.approx((0.0 + 0.0 + 0.3) / 3)


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=2, max_size=5))
def test_who_never_gets_worse_forgets_nothing(steps: list[list[float]]) -> None:
    matrix = np.cumsum(np.abs(np.array(steps)), axis=0)
    assert (forgetting(matrix, np.zeros(3, dtype=np.int64)) <= 0).all()
    assert (forgetting(matrix[::-1], np.zeros(3, dtype=np.int64)) >= 0).all()


def test_the_figure_has_a_panel_for_each_arm() -> None:
    matrices = {name: np.random.default_rng(0).standard_normal((2, 3)) for name in ("a", "b", "c")}
    figure = forgetting_figure(matrices, ["x", "x", "y"], np.array([0, 1, 0]))
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")] == [
        "a",
        "b",
        "c",
    ]
    labels = [label.get_text() for label in figure.axes[2].get_xticklabels()]
    assert labels == ["x 0", "x 1", "y 0"]
