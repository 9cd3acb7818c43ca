"""Targets and scores by hand, and by what they must say of forecasts whose worth is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lim_pipelines.foundation.quality import metrics, tables
from lim_pipelines.foundation.quality.targets import TARGETS, answers, judged, unit_of
from lim_pipelines.foundation.series import VARIABLES, Floats
from lim_pipelines.foundation.windows import WindowBatch

P, CLOSE, VOLUME = len(VARIABLES), VARIABLES.index("close"), VARIABLES.index("volume")
RNG = np.random.default_rng


def batch_of(context: Floats, future: Floats) -> WindowBatch:
    """Windows of returns (B, L) and (B, H), with a volume that is their size."""

    def wide(returns: Floats) -> Floats:
        values = np.full((*returns.shape, P), np.nan, np.float32)
        values[..., CLOSE], values[..., VOLUME] = returns, 10 + np.abs(returns)
        return values

    nothing = np.zeros(len(context), dtype=np.int64)
    calendar = np.zeros((*context.shape, 6), np.float32)
    return WindowBatch(wide(context), wide(future), calendar, nothing, nothing)


def paths_of(returns: Floats) -> Floats:
    return batch_of(
        returns.reshape(-1, returns.shape[-1]), returns.reshape(-1, returns.shape[-1])
    ).values.reshape(*returns.shape, P)


def test_targets_by_hand() -> None:
    bars = np.array([[0.03, -0.04, 0.0]], dtype=np.float32)
    came = answers(paths_of(bars), np.isfinite(paths_of(bars)))
    assert came.returns[0] == pytest.approx(-0.01)
    assert came.volatility[0] == pytest.approx(np.sqrt((0.0009 + 0.0016) / 3))
    assert came.volume[0] == pytest.approx(10 + 0.07 / 3)


def test_only_bars_whose_truth_is_known_are_asked_for() -> None:
    known = np.ones((1, 3, P), dtype=bool)
    known[0, 1, CLOSE] = False
    known[0, :, VOLUME] = False
    came = answers(paths_of(np.array([[0.03, 5.0, 0.01]], dtype=np.float32)), known)
    assert came.returns[0] == pytest.approx(0.04)
    assert came.volatility[0] == pytest.approx(np.sqrt(0.001 / 2))
    assert np.isnan(came.volume[0])


def test_dead_contexts_have_no_unit_and_no_score() -> None:
    moves = np.zeros((2, 8), dtype=np.float32)
    moves[1, ::2] = 0.01
    batch = batch_of(moves, moves)
    assert np.isnan(unit_of(batch)).tolist() == [True, False]
    found = judged(RNG(0).normal(0, 0.01, (20, 2, 8))[..., None].repeat(P, -1).astype(np.float32), batch)
    assert all(np.isnan(found[f"crps_{name}"][0]) for name in TARGETS)
    assert all(np.isfinite(found[f"crps_{name}"][1]) for name in TARGETS)


@given(st.floats(0.01, 100))
def test_scores_have_no_unit_of_price(scale: float) -> None:
    rng = RNG(1)
    context, future, paths = (
        rng.normal(size=shape).astype(np.float32) for shape in ((3, 16), (3, 4), (9, 3, 4))
    )
    one = judged(paths_of(paths), batch_of(context, future))
    other = judged(paths_of(paths * scale), batch_of(context * scale, future * scale))
    for name in ("return", "volatility"):
        np.testing.assert_allclose(one[f"crps_{name}"], other[f"crps_{name}"], rtol=1e-3, atol=1e-5)


def scores(
    spreads: dict[str, float], windows: int = 400, means: dict[str, float] | None = None
) -> pl.DataFrame:
    """What forecasters of white noise of spread 1 get whose own spread is another; a date a window."""
    rng = RNG(2)
    context, future = (rng.normal(size=(windows, length)).astype(np.float32) for length in (64, 4))
    batch = batch_of(context, future)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    frames = []
    for name, spread in spreads.items():
        paths = (rng.normal(size=(60, windows, 4)) * spread).astype(np.float32)
        paths += (means or {}).get(name, 0.0) * future
        frames.append(
            pl.DataFrame(judged(paths_of(paths), batch)).select(
                pl.lit(name).alias("forecaster"),
                pl.lit(0).alias("seed"),
                pl.Series("window", [str(i) for i in range(windows)]),
                pl.lit("XNYS").alias("exchange"),
                pl.lit("equity").alias("asset_class"),
                pl.lit("1d").alias("freq"),
                pl.Series("ts", [start + timedelta(days=i) for i in range(windows)]),
                pl.lit(0.001).alias("seconds"),
                pl.all(),
            )
        )
    return pl.concat(frames)


def test_the_true_distribution_wins_and_is_calibrated() -> None:
    found = scores({"right": 1.0, "narrow": 0.4, "wide": 2.5})
    for rival in ("narrow", "wide"):
        assert metrics.skill(found, "right", rival, "return").low > 0
        assert metrics.skill(found, "right", rival, "volatility").low > 0
    right, narrow, wide = (found.filter(pl.col("forecaster") == n) for n in ("right", "narrow", "wide"))
    held = metrics.coverage(right, "return")
    assert held.low < 0.8 < held.high
    assert metrics.coverage(narrow, "return").high < 0.8 < metrics.coverage(wide, "return").low


def test_noise_has_no_direction_and_knowledge_has() -> None:
    found = scores({"noise": 1.0, "knows": 1.0}, means={"knows": 0.7})
    noise, knows = (found.filter(pl.col("forecaster") == name) for name in ("noise", "knows"))
    assert metrics.direction(noise).low < 0.5 < metrics.direction(noise).high
    assert metrics.direction(knows).low > 0.7
    ic, what = metrics.rank_ic(knows)
    assert what == "time"
    assert ic.low > 0.7
    ic, _ = metrics.rank_ic(noise)
    assert ic.low < 0 < ic.high


def test_who_has_no_view_has_neither_direction_nor_rank_ic() -> None:
    rng = RNG(5)
    context, future = (rng.normal(size=(40, length)).astype(np.float32) for length in (64, 4))
    paths = paths_of(rng.normal(size=(9, 40, 4)).astype(np.float32))
    batch = batch_of(context, future)
    guess, known = judged(paths, batch), judged(paths, batch, np.full((40, 4), 0.5, np.float32))
    np.testing.assert_allclose(known["point_return"], 0.5 * 4 / (unit_of(batch) * 2), rtol=1e-5)
    assert all(np.array_equal(known[name], guess[name]) for name in guess if name != "point_return")
    silent = judged(paths, batch, np.zeros((40, 4), np.float32))
    frame = pl.DataFrame(silent).with_columns(
        pl.lit("x").alias("forecaster"),
        pl.lit(0).alias("seed"),
        *(pl.lit("a").alias(name) for name in metrics.MARKET),
        ts=datetime(2020, 1, 1, tzinfo=UTC) + pl.duration(days=pl.int_range(pl.len()) // 8),
    )
    assert np.isnan(metrics.direction(frame).value)
    assert np.isnan(metrics.rank_ic(frame)[0].value)


def test_ranks_are_of_one_moment_where_many_instruments_share_it() -> None:
    frame = scores({"knows": 1.0}, windows=40, means={"knows": 0.5})
    # A shift of a whole day hides the order over time, not that within the day.
    day = pl.Series(np.arange(40) // 8)
    frame = frame.with_columns(
        ts=pl.lit(datetime(2020, 1, 1, tzinfo=UTC)) + pl.duration(days=day),
        truth_return=pl.col("truth_return") + 100.0 * day,
        point_return=pl.col("point_return") - 100.0 * day,
    )
    ic, what = metrics.rank_ic(frame)
    assert what == "cross-section"
    assert ic.value > 0.7
    assert ic.windows == 5


def test_r2_by_hand() -> None:
    frame = pl.DataFrame(
        {
            "ts": [datetime(2020, 1, i, tzinfo=UTC) for i in range(1, 5)],
            "truth_volatility": [1.0, 2.0, 3.0, 4.0],
            "point_volatility": [1.0, 2.0, 3.0, 2.0],
        }
    )
    assert metrics.r2(frame, "volatility").value == pytest.approx(1 - 4 / 5)


def test_seeds_are_averaged_and_markets_weigh_alike() -> None:
    rows = [
        # Market a: 20 windows, half of the yardstick's score; market b: 10 windows, twice of it.
        *(
            {"market": "a", "name": "one", "crps": c, "seed": s}
            for s, c in ((0, 0.4), (1, 0.6))
            for _ in range(20)
        ),
        *({"market": "b", "name": "one", "crps": 2.0, "seed": 0} for _ in range(10)),
        *({"market": "a", "name": "two", "crps": 1.0, "seed": 0} for _ in range(20)),
        *({"market": "b", "name": "two", "crps": 1.0, "seed": 0} for _ in range(10)),
    ]
    frame = pl.DataFrame(rows).select(
        pl.col("name").alias("forecaster"),
        "seed",
        pl.col("market").alias("exchange"),
        pl.lit("c").alias("asset_class"),
        pl.lit("1d").alias("freq"),
        pl.col("crps").alias("crps_return"),
        at=pl.int_range(pl.len()).over("name", "market", "seed"),
    )
    frame = frame.with_columns(
        window=pl.concat_str("exchange", "at"),
        ts=pl.lit(datetime(2020, 1, 1, tzinfo=UTC)) + pl.duration(days=pl.col("at")),
    )
    assert metrics.skill(frame, "one", "two", "return").value == pytest.approx(0.0)
    assert metrics.skill(
        frame.filter(pl.col("exchange") == "a"), "one", "two", "return"
    ).value == pytest.approx(0.5)


def test_tables_say_where_a_forecaster_loses() -> None:
    found = scores({"persistence": 1.0, "historical_volatility": 1.0, "bad": 4.0}, windows=60)
    lost = tables.losses(found, "bad")
    assert any(line.startswith("- all markets, return: behind persistence") for line in lost)
    assert tables.losses(found, "persistence") == []
    table = tables.overall(found)
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        *("persistence", "historical_volatility", "bad"),
    ]
    assert "**" in tables.against(found, "bad", ["persistence"], "return", ["freq"])


def test_few_windows_with_a_target_are_no_group() -> None:
    found = scores({"persistence": 1.0, "bad": 4.0}, windows=60)
    few = found.with_columns(
        pl.when(pl.col("window").cast(pl.Int64) < 10).then(pl.col("crps_return")).alias("crps_return")
    )
    assert "| 60 |" in tables.against(found, "bad", ["persistence"], "return", ["freq"])
    assert tables.against(few, "bad", ["persistence"], "return", ["freq"]).count("\n") == 1
    assert not any("return" in line for line in tables.losses(few, "bad"))
