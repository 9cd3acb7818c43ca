"""Windows that are gathered from mapped files are those that are gathered from memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from store_world import BARS, CONFIG, CUTOFFS, brought_up, put

from lim_pipelines.foundation.data import read_bars, series_of
from lim_pipelines.foundation.store import Shown
from lim_pipelines.foundation.store.shelf import ROW_BYTES, Shelf
from lim_pipelines.foundation.windows import WindowStore
from lim_pipelines.lake import Lake, Past, midnight

COARSE = 6
FAMILY = CONFIG.model_copy(update={"coarse": COARSE})


def test_every_window_and_the_coarser_bars_before_it(tmp_path: Path) -> None:
    lake, last = Lake(tmp_path / "lake"), CUTOFFS[2]
    put(lake, BARS)
    # The first index names fewer rows of the same extents: what is appended later is nothing to it.
    found, _ = (brought_up(lake, tmp_path / "w", cutoff)[0] for cutoff in CUTOFFS[2:])
    mapped = Shown(FAMILY, found).windows()
    series = series_of(read_bars(Past(lake, midnight(last)), FAMILY, last))
    memory = WindowStore(series, FAMILY.context, FAMILY.horizon, COARSE)
    for name in ("instrument_id", "exchange", "asset_class", "freq"):
        assert getattr(mapped, name) == getattr(memory, name)
    np.testing.assert_array_equal(mapped.length, memory.length)
    picks = np.array([(at, row) for at, rows in enumerate(memory.length) for row in range(rows)])
    one, other = mapped.batch(picks), memory.batch(picks)
    assert one.coarse is not None
    assert other.coarse is not None
    assert np.isfinite(one.coarse.values).any()
    for found, expected in zip((*one[:5], *one.coarse), (*other[:5], *other.coarse), strict=True):
        np.testing.assert_array_equal(found, expected)
    for at in range(len(series)):
        np.testing.assert_array_equal(mapped.ts(at), memory.ts(at))
        np.testing.assert_array_equal(mapped.returns(at), memory.returns(at))


def test_a_window_longer_than_the_margin_is_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    put(lake, BARS)
    found, _ = brought_up(lake, tmp_path / "w", CUTOFFS[0])
    with pytest.raises(ValueError, match="a window has 65536 bars at most"):
        Shown(FAMILY.model_copy(update={"context": 1 << 16}), found).windows()


def test_a_full_disk_is_told_before_it_kills(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, write=True)
    sizes = {path: path.stat().st_size for path in tmp_path.iterdir()}
    with pytest.raises(OSError, match=r"GB more, .* are free; make room"):
        shelf.grow(2 * shutil.disk_usage(tmp_path).free // ROW_BYTES)
    assert {path: path.stat().st_size for path in tmp_path.iterdir()} == sizes
