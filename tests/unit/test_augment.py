"""Changed windows: still bars, changed as asked, the same for every process."""

import numpy as np
import numpy.typing as npt
import pytest
from foundation_bars import TINY, bars, noise, one_series

from lim_pipelines.align.resample import resample
from lim_pipelines.foundation.augment import Augmenter, blended, jittered, merged_bars
from lim_pipelines.foundation.coarse import Coarse
from lim_pipelines.foundation.config import Augment, FoundationConfig
from lim_pipelines.foundation.series import VARIABLES, build_series
from lim_pipelines.foundation.synthetic import paths
from lim_pipelines.foundation.windows import WindowBatch, WindowStore

CLOSE, OPEN, HIGH, LOW, VOLUME = (VARIABLES.index(n) for n in ("close", "open", "high", "low", "volume"))
STOCKS = [one_series(noise(200, seed) * (1 + seed)) for seed in range(3)]
INDEX = one_series(noise(200, 9), "XNYS:SPX")
STORE = WindowStore([*STOCKS, INDEX], TINY.context, TINY.horizon)
PICKS = np.array([[s, end] for s in range(4) for end in (40, 80, 120, 12)])
ALL = np.arange(len(PICKS))


def config(**shares: float) -> FoundationConfig:
    return TINY.model_copy(update={"augment": Augment(**shares)})


def drawn(kind: str, share: float, rows: npt.NDArray[np.int64] = ALL, step: int = 2) -> WindowBatch:
    return Augmenter(STORE, config(**{kind: share})).batch(PICKS, rows, 1, step)


def whole(batch: WindowBatch) -> npt.NDArray[np.float32]:
    return np.concatenate([batch.values, batch.future], axis=1)


def test_nothing_is_changed_unless_asked_for() -> None:
    np.testing.assert_array_equal(whole(drawn("jitter", 0.0)), whole(STORE.batch(PICKS)))


@pytest.mark.parametrize("kind", ["time_scale", "jitter", "mixup", "synthetic"])
def test_the_share_that_is_asked_for_is_changed(kind: str) -> None:
    picks = np.stack([np.arange(3000) % 4, 40 + np.arange(3000) % 140], axis=1)
    batch = Augmenter(STORE, config(**{kind: 0.3})).batch(picks, np.arange(3000), 1)
    same = np.isclose(whole(batch), whole(STORE.batch(picks)), equal_nan=True, rtol=1e-5).all(axis=(1, 2))
    blended_with_itself = 1 / 750 if kind == "mixup" else 0
    assert (~same).mean() == pytest.approx(0.3 * (1 - blended_with_itself), abs=0.03)


@pytest.mark.parametrize("kind", ["time_scale", "jitter", "mixup", "synthetic"])
def test_a_row_is_changed_alike_whoever_asks_for_it_and_when(kind: str) -> None:
    together = drawn(kind, 0.7)
    for rows in (ALL[1::3], ALL[::-1]):
        alone = drawn(kind, 0.7, rows)
        np.testing.assert_array_equal(whole(alone), whole(together)[rows])
        np.testing.assert_array_equal(alone.calendar, together.calendar[rows])
    other = drawn(kind, 0.7, step=3)
    assert not np.array_equal(whole(other), whole(together), equal_nan=True)


@pytest.mark.parametrize("kind", ["time_scale", "jitter", "mixup", "synthetic"])
def test_changed_bars_are_bars_and_what_was_missing_stays_missing(kind: str) -> None:
    before, after = whole(STORE.batch(PICKS)), whole(drawn(kind, 1.0))
    assert (np.isnan(after) >= np.isnan(before))[:, -TINY.horizon - TINY.patch :].all()
    if kind != "time_scale":
        assert (np.isnan(after) == np.isnan(before)).all()
    assert np.nanmin(after[..., HIGH]) >= 0 >= np.nanmax(after[..., LOW])


def test_merged_bars_are_those_of_the_longer_frequency() -> None:
    daily = bars(noise(103))
    weekly = build_series(resample(daily, "1w"))[0]
    days = build_series(daily)[0]
    made = merged_bars(days.values[None, :100], 5)[0]
    # Weeks without a holiday: of others the week has fewer bars.
    np.testing.assert_allclose(made[7:11], weekly.values[7:11], rtol=2e-4, atol=2e-6)


def test_merged_windows_keep_their_last_bar_and_their_times() -> None:
    batch = drawn("time_scale", 1.0)
    plain = STORE.batch(PICKS)
    lengths = np.isfinite(batch.values[..., CLOSE]).sum(axis=1)
    for row, (series, end) in enumerate(PICKS.tolist()):
        if end == 12:
            continue
        factor = (TINY.context + TINY.horizon) // (lengths[row] + TINY.horizon)
        assert factor == 2  # 40 bars: with 3, horizon and a patch would no longer fit
        total = np.nansum(plain.future[row, :, CLOSE]) + np.nansum(plain.values[row, -8:, CLOSE])
        assert np.nansum(batch.future[row, :, CLOSE]) == pytest.approx(total, abs=1e-5)
        last = ([*STOCKS, INDEX][series]).calendar[end - 8]  # 8 horizon bars now begin 8 bars earlier
        np.testing.assert_array_equal(batch.calendar[row, -1, :4], last[:4])


def test_short_histories_have_no_bars_to_merge_and_one_row_is_enough() -> None:
    long = config(time_scale=1.0).model_copy(update={"context": 64})
    augmented = Augmenter(WindowStore(STOCKS, 64, TINY.horizon), long)
    picks = np.array([[0, 120]])
    factors = set()
    for step in range(30):
        shown = np.isfinite(augmented.batch(picks, np.array([0]), 1, step).values[..., CLOSE]).sum()
        factors.add(72 // int(shown + 8))
    assert factors == {2, 3, 4}


def test_a_blend_moves_with_both_and_keeps_its_scale() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 1, 4000, 5)).astype(np.float32) * np.array([[[[0.01]]], [[[3.0]]]])
    mixed = blended(one.astype(np.float32), other.astype(np.float32), np.array([0.5]))
    weight = 1 / np.sqrt(2)
    for part in (one, other):
        assert np.corrcoef(mixed[0, :, CLOSE], part[0, :, CLOSE])[0, 1] == pytest.approx(weight, abs=0.03)
    assert mixed[0, :, CLOSE].std() == pytest.approx(0.01 * weight, rel=0.05)


def test_a_partner_is_of_the_same_frequency_and_class() -> None:
    partners = Augmenter(STORE, config(mixup=1.0))._partners(
        np.repeat(PICKS, 50, axis=0), np.random.default_rng(0)
    )
    kinds = np.repeat(PICKS[:, 0] == 3, 50)
    assert (kinds[partners] == kinds).all()
    assert len(np.unique(partners)) > 400


def test_jitter_is_a_twentieth_of_the_spread() -> None:
    values = whole(STORE.batch(PICKS[:1]))
    noisy = jittered(values, np.random.default_rng(0).standard_normal(values.shape, dtype=np.float32))
    moved = np.nanstd(noisy - values, axis=1) / np.nanstd(values, axis=1)
    np.testing.assert_allclose(moved[0, [CLOSE, VOLUME]], 0.05, rtol=0.4)


def test_simulated_windows_are_on_the_level_of_those_they_replace() -> None:
    picks = np.stack([np.arange(400) % 3, 40 + np.arange(400) % 140], axis=1)
    batch = Augmenter(STORE, config(synthetic=1.0)).batch(picks, np.arange(400), 5)
    real = STORE.batch(picks)
    for series in range(3):
        mine = picks[:, 0] == series
        simulated, plain = batch.values[mine], real.values[mine]
        assert np.nanstd(simulated[..., CLOSE]) == pytest.approx(np.nanstd(plain[..., CLOSE]), rel=0.35)
        assert np.nanmean(simulated[..., VOLUME]) == pytest.approx(np.nanmean(plain[..., VOLUME]), abs=0.3)
    np.testing.assert_array_equal(batch.calendar, real.calendar)


def test_simulated_paths_look_like_markets() -> None:
    simulated = paths(64, 1500, 0).astype(np.float64)
    np.testing.assert_array_equal(simulated.astype(np.float32), paths(64, 1500, 0))
    returns = simulated[..., CLOSE]
    np.testing.assert_allclose(returns.std(axis=1), 1.0, atol=0.05)
    size = np.abs(returns) - np.abs(returns).mean(axis=1, keepdims=True)
    clustering = (size[:, 1:] * size[:, :-1]).mean(axis=1) / size.var(axis=1)
    assert np.median(clustering) > 0.1
    assert np.median(((returns - returns.mean(axis=1, keepdims=True)) ** 4).mean(axis=1)) > 4
    assert np.isfinite(simulated).all()
    # The opening lies in the bar's range: low <= open - close <= high.
    gap = simulated[..., OPEN] - returns
    assert (simulated[..., LOW] <= gap + 1e-5).all()
    assert (gap <= simulated[..., HIGH] + 1e-5).all()


def test_what_stood_before_another_instrument_is_not_shown() -> None:
    class WithCoarse(WindowStore):
        def batch(self, picks: npt.NDArray[np.int64]) -> WindowBatch:
            plain = super().batch(picks)
            coarse = Coarse(plain.values[:, :8].copy() * 0, plain.calendar[:, :8], plain.freq)
            return plain._replace(coarse=coarse)

    store = WithCoarse(STOCKS, TINY.context, TINY.horizon)
    picks = PICKS[PICKS[:, 0] < 3]
    for kind, foreign in (("synthetic", True), ("mixup", True), ("jitter", False), ("time_scale", False)):
        batch = Augmenter(store, config(**{kind: 1.0})).batch(picks, np.arange(len(picks)), 1)
        assert batch.coarse is not None
        assert bool(np.isnan(batch.coarse.values[0]).all()) is foreign
