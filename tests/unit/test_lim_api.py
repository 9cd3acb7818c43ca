"""The public API: frames in, answers in the frame's units out, and what it says of frames it cannot read."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from foundation_bars import TINY, bars, noise, one_series
from hypothesis import given, settings
from hypothesis import strategies as st
from test_foundation_checkpoint import DAY, write

from lim_pipelines.exchanges import sessions
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.answers import levels, name_of
from lim_pipelines.foundation.forecaster import LimForecaster
from lim_pipelines.foundation.frames import FrameError
from lim_pipelines.foundation.inference import LIM
from lim_pipelines.foundation.series import VARIABLES
from lim_pipelines.foundation.windows import WindowStore

FIRST = date(2020, 3, 2)


def closes(count: int = 60, seed: int = 0) -> pl.DataFrame:
    """The least that can be forecast: dates and closes."""
    close = 50 * np.exp(np.cumsum(noise(count, seed)))
    return pl.DataFrame({"ts": [FIRST + timedelta(days=i) for i in range(count)], "close": close})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    write(models)
    return models


@pytest.fixture(scope="module")
def lim(root: Path) -> LIM:
    loaded = LIM.load(next(root.rglob(checkpoint.META)).parent)
    torch.manual_seed(1)
    for weights in loaded.model.parameters():
        # Blocks begin as the identity and decoders at zero, so that nothing would be tested.
        weights.data += 0.05 * torch.randn_like(weights)
    return loaded


def test_the_least_frame_has_a_forecast_of_its_price(lim: LIM) -> None:
    frame = closes()
    said = lim.forecast(frame, quantiles=(0.025, 0.5, 0.95))
    assert said.columns == ["instrument_id", "freq", "step", "variable", "mean", "q02.5", "q50", "q95"]
    assert said["variable"].unique(maintain_order=True).to_list() == ["close", "return"]
    price = said.filter(pl.col("variable") == "close")
    assert price["step"].to_list() == list(range(1, TINY.horizon + 1))
    assert price["freq"].unique().to_list() == ["1d"]
    assert (price["q02.5"] < price["q50"]).all()
    assert (price["q50"] < price["q95"]).all()
    np.testing.assert_allclose(price["q50"][0], frame["close"][-1], rtol=0.05)
    expected = said.filter(pl.col("variable") == "return")["mean"].cum_sum().exp() * frame["close"][-1]
    np.testing.assert_allclose(price["mean"], expected)


def test_the_same_call_gives_the_same_numbers_and_another_seed_others(lim: LIM) -> None:
    frame = closes()
    one = lim.forecast(frame, horizon=11)
    assert lim.forecast(frame.lazy(), horizon=11).equals(one)
    assert lim.forecast(frame.to_arrow(), horizon=11).equals(one)
    assert not lim.forecast(frame, horizon=11, seed=1).equals(one)


def test_rows_come_back_under_their_instruments_names(lim: LIM) -> None:
    names = ["B", "A", "C"]
    parts = [closes(60, i).with_columns(instrument_id=pl.lit(name)) for i, name in enumerate(names)]
    # More instruments than are read at a time, interleaved in time.
    many = [closes(60, 9).with_columns(instrument_id=pl.lit(f"D{i:03}")) for i in range(70)]
    said = lim.forecast(pl.concat(parts + many).sort("ts"), quantiles=(0.5,))
    assert said["instrument_id"].n_unique() == 73
    first = said.filter((pl.col("step") == 1) & (pl.col("variable") == "close"))
    for part, name in zip(parts, names, strict=True):
        (median,) = first.filter(pl.col("instrument_id") == name)["q50"]
        np.testing.assert_allclose(median, part["close"][-1], rtol=0.04)
    found = lim.embed(pl.concat(parts))
    for name in names:
        alone = lim.embed(pl.concat(parts).filter(pl.col("instrument_id") == name))["embedding"].to_numpy()
        together = found.filter(pl.col("instrument_id") == name)["embedding"].to_numpy()
        np.testing.assert_allclose(alone, together, atol=1e-4)


def test_lake_bars_are_embedded_as_their_series_are(lim: LIM) -> None:
    frame = bars(noise(90))
    found = lim.embed(frame)
    series = one_series(noise(90))
    np.testing.assert_array_equal(found["embedding"].to_numpy(), lim.embed_series(series, np.array([89])))
    assert found["ts"][0] == frame["ts"][-1]


def test_candles_are_candles_and_volumes_are_volumes(lim: LIM) -> None:
    drawn = lim.forecast(bars(noise(90)), horizon=3, samples=20)
    assert drawn.columns == [
        *("instrument_id", "freq", "sample", "step"),
        *("close", "return", "open", "high", "low", "volume"),
    ]
    assert drawn.select("sample", "step").rows() == [(i, j) for i in range(1, 21) for j in range(1, 4)]
    assert (drawn["high"] >= drawn.select(pl.max_horizontal("open", "close")).to_series()).all()
    assert (drawn["low"] <= drawn.select(pl.min_horizontal("open", "close")).to_series()).all()
    assert (drawn["volume"] >= 0).all()


def test_long_horizons_are_rolled_out_and_short_ones_cut(lim: LIM) -> None:
    frame = closes()
    short, whole, long = (lim.forecast(frame, horizon=n, samples=50) for n in (3, 8, 21))
    of_step = pl.col("step") <= 3
    assert short.equals(whole.filter(of_step))
    assert whole.equals(long.filter(pl.col("step") <= 8))
    # A path goes on from where it is: its second horizon knows its own first one, not the others'.
    assert long["return"].is_finite().all()
    assert long["step"].max() == 21
    wider = lim.forecast(frame, horizon=21).filter(pl.col("variable") == "close")
    spread = (wider["q95"] / wider["q05"]).log()
    assert spread[20] > 1.2 * spread[7]


def test_a_rolled_out_path_depends_on_its_own_first_horizon(lim: LIM) -> None:
    # Every draw is far wilder than the context, so the scale behind the first horizon is another.
    wild = lim.forecast(closes(), horizon=9, samples=200)
    first = (
        wild.filter(pl.col("step") <= 8).group_by("sample", maintain_order=True).agg(pl.col("return").std())
    )
    ninth = wild.filter(pl.col("step") == 9)["return"].abs()
    assert np.corrcoef(first["return"].rank(), ninth.rank())[0, 1] > 0.1


def test_variables_nobody_knows_take_the_spare_slots(lim: LIM) -> None:
    frame = closes().with_columns(vix=pl.lit(20.0) + pl.Series(noise(60, 5)), note=pl.lit("text"))
    said = lim.forecast(frame, horizon=2).filter(pl.col("variable") == "vix")
    assert said.height == 2
    np.testing.assert_allclose(said["q50"], 20, atol=0.5)
    # In whatever unit: a rate of basis points is no price.
    rate = closes().with_columns(rate=1e-3 + pl.Series(noise(60, 5)) * 1e-2)
    said = lim.forecast(rate, horizon=2).filter(pl.col("variable") == "rate")
    assert (said["q95"] - said["q05"] < 2e-3).all()
    three = frame.with_columns(a=pl.col("vix"), b=pl.col("vix"))
    with pytest.raises(FrameError, match="vix, a, b; it has 2 spare slots"):
        lim.forecast(three)


def test_arrays_and_windows(lim: LIM) -> None:
    values = np.stack([one_series(noise(50, i)).values for i in range(3)])
    said = lim.forecast(values, horizon=12, quantiles=(0.1, 0.9), samples=4)
    assert said.mean.shape == (3, 12, 5)
    assert said.quantiles.shape == (2, 3, 12, 5)
    assert said.samples.shape == (4, 3, 12, 5)
    assert (said.quantiles[0] < said.quantiles[1]).all()
    # Only the model's own context counts, and a short one is padded.
    tensor = torch.from_numpy(values).requires_grad_()
    np.testing.assert_array_equal(lim.embed(tensor), lim.embed(values[:, -32:]))
    assert lim.embed(tensor.bfloat16()).shape == (3, 64)
    assert np.isfinite(lim.embed(values[:, -8:])).all()
    with pytest.raises(ValueError, match="no contexts"):
        lim.forecast(values[:0])
    with pytest.raises(ValueError, match=r"shape \(3, 7, 5\).*at least 8 bars"):
        lim.embed(values[:, :7])


def test_the_forecasters_contract(lim: LIM) -> None:
    store = WindowStore([one_series(noise(90)), one_series(noise(90), close_only=True)], 48, 8)
    batch = store.batch(np.array([[0, 80], [1, 80]]))
    forecaster = LimForecaster(lim.model)
    forecaster.fit(store, np.array([[0, 40]]))
    drawn = forecaster.sample(batch, 12, 6, seed=3)
    assert drawn.shape == (6, 2, 12, len(VARIABLES))
    assert drawn.dtype == np.float32
    assert np.isfinite(drawn[:, 0]).all()
    assert np.isfinite(drawn[:, 1, :, 0]).all()
    assert np.isnan(drawn[:, 1, :, 1:]).all()
    np.testing.assert_array_equal(drawn, forecaster.sample(batch, 12, 6, seed=3))
    changed = batch._replace(future=np.zeros_like(batch.future))
    np.testing.assert_array_equal(drawn, forecaster.sample(changed, 12, 6, seed=3))


@settings(max_examples=30)
@given(st.lists(st.floats(-0.2, 0.2), min_size=4, max_size=4), st.floats(0.01, 1e5))
def test_prices_of_a_path_are_its_returns_added_up(returns: list[float], close: float) -> None:
    drawn = np.full((1, 1, 4, len(VARIABLES)), np.nan, dtype=np.float32)
    drawn[0, 0, :, 0] = returns
    found = levels(drawn, np.array([close]), [])
    np.testing.assert_allclose(
        found["close"][0, 0], close * np.exp(np.cumsum(drawn[0, 0, :, 0].astype(float))), rtol=1e-12
    )
    assert all(np.isnan(found[name]).all() for name in ("open", "high", "low", "volume"))


def test_where_a_session_ends_is_asked_of_the_exchange(lim: LIM) -> None:
    day = date(2024, 12, 24)  # a half day in New York
    days = sessions("XNYS", day - timedelta(days=40), day)
    frame = pl.DataFrame({"ts": days["date"], "close": np.exp(noise(days.height)), "exchange": "XNYS"})
    assert lim.embed(frame)["ts"][0] == datetime(2024, 12, 24, 18, 0, tzinfo=UTC)
    # As pandas has dates.
    midnight = frame.with_columns(pl.col("ts").cast(pl.Datetime("ns")))
    assert lim.embed(midnight).equals(lim.embed(frame))
    nowhere = frame.with_columns(exchange=pl.lit("XKRX?"))
    assert lim.embed(nowhere)["ts"][0] == datetime(2024, 12, 24, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "freq"), [(1, "1m"), (5, "5m"), (15, "20m"), (60, "1h"), (60 * 24 * 30, "1w")]
)
def test_the_frequency_is_that_which_fits(lim: LIM, minutes: int, freq: str) -> None:
    ends = [datetime(2024, 5, 6, tzinfo=UTC) + timedelta(minutes=minutes * i) for i in range(20)]
    for exchange in (None, "XNAS"):
        frame = pl.DataFrame({"ts": ends, "close": np.exp(noise(20)), "exchange": exchange})
        assert lim.forecast(frame, horizon=1)["freq"][0] == freq


FRAME = closes()
BAD = {
    "no close": (FRAME.drop("close"), "no column close .*needed are ts"),
    "no rows": (FRAME.clear(), "no rows"),
    "text for times": (FRAME.with_columns(pl.col("ts").cast(pl.String)), "str.to_datetime"),
    "text for prices": (FRAME.with_columns(pl.col("close").cast(pl.String)), "close holds String; cast"),
    "unsorted": (FRAME.reverse(), "comes after a later bar; sort the frame"),
    "twice": (pl.concat([FRAME, FRAME[-1:]]), "two bars end at 2020-04-30.*unique"),
    "no moment": (
        FRAME.with_columns(pl.lit(None, pl.Date).alias("ts"), exchange=pl.lit("XNAS")),
        "without ts",
    ),
    "our names": (FRAME.with_columns(pl.col("close").alias("return"), step=1), "return, step.*rename"),
    "short": (FRAME[:8], "fewer than 9 bars.*add history"),
    "no price": (FRAME.with_columns(close=pl.lit(float("nan"))), "no positive close"),
    "freq": (FRAME.with_columns(freq=pl.lit("2h")), "'2h'.*leave the column out"),
    "class": (FRAME.with_columns(asset_class=pl.lit("art")), "'art'.*none of equity"),
}


@pytest.mark.parametrize("name", BAD)
def test_frames_that_cannot_be_read_are_told_what_to_do(lim: LIM, name: str) -> None:
    frame, message = BAD[name]
    with pytest.raises(FrameError, match=message):
        lim.forecast(frame)


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"horizon": 0}, "horizon 0"), ({"quantiles": (0.5, 5)}, "5"), ({"samples": -1}, "samples -1")],
)
def test_questions_without_an_answer(lim: LIM, asked: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lim.forecast(FRAME, **asked)  # type: ignore[arg-type]


def test_names_of_quantiles() -> None:
    assert [name_of(q) for q in (0.005, 0.05, 0.1, 0.5, 0.975)] == ["q00.5", "q05", "q10", "q50", "q97.5"]


def test_checkpoints_by_name_and_by_cutoff(root: Path, lim: LIM) -> None:
    checkpoint.set_current(root, "tiny", DAY, lim.meta.input_digest)
    assert LIM.load(cutoff=DAY, models=root, family="tiny").meta == lim.meta
    with pytest.raises(checkpoint.CheckpointError, match=r"no checkpoint of cutoff 2019-01-01.*2018-01-01"):
        LIM.load(cutoff=date(2019, 1, 1), models=root, family="tiny")
    with pytest.raises(checkpoint.CheckpointError, match="no champion yet"):
        LIM.load(models=root, family="tiny")
    with pytest.raises(checkpoint.CheckpointError, match="not a foundation checkpoint"):
        LIM.load(root)
    with pytest.raises(ValueError, match="one of the two"):
        LIM.load(root, cutoff=DAY)
