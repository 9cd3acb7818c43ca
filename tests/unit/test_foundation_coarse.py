"""Coarser bars before a context: over and known before it begins, on a scale of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import torch
from foundation_bars import TINY, bars, noise

from lim_pipelines.align.resample import resample
from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.contexts import read_for, windows_at, windows_of
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.series import Series, build_series
from lim_pipelines.foundation.windows import WindowStore, store_of

CONTEXT, HORIZON, COARSE = 32, 8, 16
DAY = 86_400_000_000
CONFIG = TINY.model_copy(update={"coarse": COARSE})
DAILY = bars(noise(400))
DAYS, WEEKS = (build_series(part)[0] for part in (DAILY, resample(DAILY, "1w")))
OTHER = build_series(bars(noise(400, 1), "XNYS:SPX"))[0]


def store(*series: Series) -> WindowStore:
    return WindowStore(series, CONTEXT, HORIZON, COARSE)


def test_the_last_weeks_before_the_contexts_first_day() -> None:
    row = 250
    first = DAYS.ts[row - CONTEXT + 1]
    over = int((WEEKS.ts <= first - DAY).sum())
    found = store(DAYS, OTHER, WEEKS).batch(np.array([[0, row], [1, row], [0, 40], [2, 60]])).coarse
    assert found is not None
    np.testing.assert_array_equal(found.values[0], WEEKS.values[over - COARSE : over])
    np.testing.assert_array_equal(found.calendar[0], WEEKS.calendar[over - COARSE : over])
    assert np.isnan(found.values[1]).all()  # No weeks of that instrument.
    assert np.isnan(found.values[2, :-1]).all()  # Only one whole week lies before.
    assert np.isfinite(found.values[2, -1, 1:]).any()
    assert np.isnan(found.values[3]).all()  # Nothing is coarser than weeks.
    assert found.freq.tolist() == [FREQS.index(f) for f in ("1w", "1w", "1w", "1w")]


def test_no_bar_overlaps_the_context_and_none_was_unknown() -> None:
    late = replace(WEEKS, known_at=WEEKS.known_at + np.where(np.arange(len(WEEKS)) == 20, 10**13, 0))
    for row in range(60, 390):
        batch = store(DAYS, late).batch(np.array([[0, row]]))
        assert batch.coarse is not None
        moment = DAYS.ts[row - CONTEXT + 1]
        last = int((WEEKS.ts <= moment - DAY).sum()) - 1
        shown = np.isfinite(batch.coarse.values[0, :, 1])
        for back in range(COARSE):
            at = last - back
            if at >= 1:
                assert shown[COARSE - 1 - back] == (late.known_at[at] <= moment)
        # A week is over before the context's first day begins: its days are none of the context's.
        assert WEEKS.ts[last] <= DAYS.ts[row - CONTEXT]


def test_later_bars_change_nothing() -> None:
    changed = replace(WEEKS, values=WEEKS.values.copy())
    row = 250
    changed.values[WEEKS.ts > DAYS.ts[row - CONTEXT + 1] - DAY] = 99
    pick = np.array([[0, row]])
    one, other = (store(DAYS, weeks).batch(pick).coarse for weeks in (WEEKS, changed))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.values, other.values)


def test_the_model_reads_them_on_a_scale_of_their_own_and_trains() -> None:
    torch.manual_seed(0)
    model = FoundationModel(CONFIG)
    for block in model.backbone.blocks:
        torch.nn.init.normal_(block.get_parameter("attention.out.weight"), std=0.1)  # Zero before training.
    batch = store(DAYS, WEEKS).batch(np.array([[0, 250], [0, 300]]))
    inputs = Inputs.of(batch)
    assert inputs.values.shape[1] == COARSE + CONTEXT
    assert inputs.freq[0].tolist() == [FREQS.index("1w")] * COARSE + [FREQS.index("1d")] * CONTEXT
    alone = model(Inputs.of(batch._replace(coarse=None)))
    together = model(inputs)
    torch.testing.assert_close(alone.scale.spread, together.scale.spread, equal_nan=True)
    assert not torch.allclose(alone.embedding, together.embedding)
    loss = pretraining_loss(model, inputs, torch.from_numpy(batch.future), torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.isfinite()


def test_a_table_of_both_frequencies_and_a_variable_nobody_knows() -> None:
    both = pl.concat([DAILY, resample(DAILY, "1w")]).with_columns(vix=pl.col("close").log())
    read = read_for(both.select("ts", "close", "freq", "instrument_id", "exchange", "vix"), CONFIG)
    assert [one.freq for one in read.series] == ["1d", "1w"]
    last = np.array([[0, len(read.series[0]) - 1]])
    found = windows_at(read.series, last, CONFIG)
    assert found.coarse is not None
    assert found.coarse.values.shape == (1, COARSE, 6)
    # As much of the table is kept as the coarser bars need.
    whole = store(DAYS, WEEKS).batch(np.array([[0, len(DAYS) - 1]])).coarse
    assert whole is not None
    np.testing.assert_allclose(found.coarse.values[0, :, 0], whole.values[0, :, 0], atol=1e-6)
    assert np.isfinite(found.coarse.values[0, :, 5]).all()
    assert FoundationModel(CONFIG)(Inputs.of(found)).embedding.isfinite().all()


def test_contexts_as_arrays_and_series_without_coarser_bars_are_as_long_as_the_others() -> None:
    config = CONFIG.model_copy(update={"context": CONTEXT})
    alone = store_of([DAYS], config).batch(np.array([[0, 250]]))
    arrays = windows_of(alone._replace(coarse=None), config)
    assert alone.coarse is not None
    assert arrays.coarse is not None
    for one, other in zip(alone.coarse, arrays.coarse, strict=True):
        np.testing.assert_array_equal(one, other)
    assert Inputs.of(arrays).values.shape[1] == COARSE + CONTEXT
    given = store(DAYS, WEEKS).batch(np.array([[0, 250]]))
    assert windows_of(given, config).coarse is given.coarse
