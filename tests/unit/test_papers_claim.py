"""The paper's claim: what is held out, what is known when, cells that are made once, tables that can tell."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from benchmarks.claim_backbones import Backbones, config_of
from benchmarks.claim_cells import CUTOFFS, END, SCRATCH, ZERO_SHOT, Cell, Claim, cells
from benchmarks.claim_data import HELD_OUT, PRETRAINED, bars_of, closes_of, roots
from benchmarks.claim_stage import HORIZON, Stage
from benchmarks.claim_tables import compared, named, sharpes, table, traded
from benchmarks.papers_claim import cells_of, ledger, verdict
from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.finetune.methods.registry import METHODS
from lim_pipelines.foundation.series import VARIABLES, build_series
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import CONTINUOUS_FUTURES

torch.set_num_threads(1)
CUTOFF = CUTOFFS[0]


def futures(names: tuple[str, ...], last: date = date(2012, 6, 29), seed: int = 0) -> pl.DataFrame:
    """Continuous series whose drift keeps its sign for weeks, closes alone."""
    rng, frames = np.random.default_rng(seed), []
    for instrument in roots(names):
        mic = instrument.split(":")[0]
        days = sessions(mic, date(2008, 1, 2), last).select("date", ts="close")
        drift = np.repeat(rng.choice([-0.004, 0.004], days.height // 40 + 1), 40)[: days.height]
        close = 100 * np.exp(np.cumsum(drift + 0.01 * rng.standard_normal(days.height)))
        nothing = {name: pl.lit(None, dtype=pl.Float64) for name in ("open", "high", "low", "volume")}
        frames.append(
            days.with_columns(
                **nothing,
                exchange=pl.lit(mic),
                instrument_id=pl.lit(instrument),
                freq=pl.lit("1d"),
                close=pl.Series(close),
                ex_factor=1.0,
                asset_class=pl.lit("future"),
                source=pl.lit("pysystemtrade"),
                known_at=pl.col("ts") + get_exchange(mic).feed_lag,
                contract=pl.lit(f"{instrument}.200812"),
                roll_gap=0.0,
            )
        )
    return CONTINUOUS_FUTURES.conform(pl.concat(frames))


OWN = futures(HELD_OUT[:3])
BARS = bars_of(OWN, HELD_OUT)


def test_nobody_pretrains_on_what_is_held_out() -> None:
    assert (len(PRETRAINED), len(HELD_OUT)) == (30, 15)
    assert not set(roots(PRETRAINED)) & set(roots(HELD_OUT))
    assert len(set(roots(PRETRAINED + HELD_OUT))) == 45


def test_a_corpus_is_closes_alone() -> None:
    [one, *_] = build_series(BARS.with_columns(open="close", volume=1.0))
    bare = closes_of(one)
    kept = [i for i, name in enumerate(VARIABLES) if np.isfinite(bare.values[:, i]).any()]
    assert [VARIABLES[i] for i in kept] == ["close"]
    assert bare.values[:, 0].tobytes() == one.values[:, 0].tobytes()


def test_a_fit_knows_nothing_behind_its_cutoff_and_is_asked_of_that_alone() -> None:
    stage = Stage(BARS, CUTOFF, CUTOFFS[1])
    samples, parts = stage.given(1.0)
    assert samples.frame["date"].max() < CUTOFF
    assert samples.frame["label_end"].max() < CUTOFF
    assert len(parts.fit) + len(parts.validation) == len(samples)
    ahead = stage.ahead.frame["date"]
    assert ahead.min() >= CUTOFF
    assert ahead.max() < CUTOFFS[1]
    # Another future is another world, but not for what is known.
    other = BARS.with_columns(pl.when(pl.col("date") >= CUTOFF).then(pl.col("close") * 3).otherwise("close"))
    again, _ = Stage(other, CUTOFF, CUTOFFS[1]).given(1.0)
    assert again.label.tobytes() == samples.label.tobytes()
    assert again.volatility.tobytes() == samples.volatility.tobytes()


def test_a_decision_is_the_same_whatever_comes_later() -> None:
    """Windows, volatility and past returns of the first decisions, with and without the years behind them."""
    end = date(2011, 3, 1)
    whole = Stage(BARS, CUTOFF, CUTOFFS[1]).ahead
    short = Stage(BARS.filter(pl.col("date") < end), CUTOFF, end).ahead
    first = whole.at((whole.frame["date"] < end).to_numpy())
    assert first.frame["date"].to_list() == short.frame["date"].to_list()
    assert first.volatility.tobytes() == short.volatility.tobytes()
    assert first.picks.tolist() == short.picks.tolist()


def test_decisions_do_not_overlap_and_keep_their_rhythm_over_cutoffs() -> None:
    days = BARS["date"].unique().sort().to_list()
    asked = [
        day
        for cutoff, end in ((CUTOFF, date(2011, 9, 1)), (date(2011, 9, 1), date(2012, 3, 1)))
        for day in Stage(BARS, cutoff, end).ahead.frame["date"].unique().sort()
    ]
    gaps = {days.index(later) - days.index(day) for day, later in pairwise(asked)}
    assert gaps == {HORIZON}


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_share_of_the_data_is_the_latest(share: float) -> None:
    stage = Stage(BARS, CUTOFF, CUTOFFS[1])
    spec = stage.spec("full", share, 3, 10)
    given, whole = stage.given(share)[0], stage.given(1.0)[0]
    labelled = BARS.filter(pl.col("date") < CUTOFF)["date"].n_unique() - HORIZON - 1 - 20
    used = spec.fit.validation_sessions + (spec.fit.history_sessions or 0) + HORIZON + 1
    assert used == pytest.approx(share * labelled, abs=2)
    assert given.frame["date"].max() == whole.frame["date"].max()
    assert (given.frame["date"].min() == whole.frame["date"].min()) == (share == 1.0)


def test_a_run_has_every_arm_share_seed_and_cutoff_once() -> None:
    found = cells(5)
    assert len(set(found)) == len(found)
    assert {cell.cutoff for cell in found} == set(CUTOFFS)
    assert {cell.arm for cell in found} <= {
        *METHODS,
        ZERO_SHOT,
        "tsmom",
        "macd",
        "persistence",
        "ridge",
        "lightgbm",
    }
    assert {cell.arm for cell in found} >= {
        "head",
        "lora",
        "adapter",
        "layerwise",
        "full",
        "distilled",
        SCRATCH,
    }
    assert max(CUTOFFS) < END


def foreseen(skill: float, arm: str, seed: int, corpus: str = "") -> pl.DataFrame:
    """Forecasts that know a little of the label, a row a decision; noise is the seed's."""
    ahead = Stage(BARS, CUTOFF, CUTOFFS[1]).ahead
    label = np.nan_to_num(ahead.label / ahead.scale(HORIZON))
    noise = np.random.default_rng(seed).standard_normal(len(label))
    return ahead.frame.select("date", "exchange", "instrument_id").with_columns(
        arm=pl.lit(arm),
        corpus=pl.lit(corpus),
        share=pl.lit(1.0),
        seed=pl.lit(seed, dtype=pl.Int64),
        cutoff=pl.lit(CUTOFF),
        forecast=pl.Series(0.2 * skill * label + 0.05 * noise),
        forecast_center=pl.lit(0.0),
        forecast_scale=pl.lit(0.1),
        volatility=pl.Series(ahead.volatility),
        trainable=pl.lit(7, dtype=pl.Int64),
        seconds=pl.lit(1.0),
    )


def test_the_table_tells_skill_from_none() -> None:
    parts = [foreseen(0.0, SCRATCH, seed) for seed in range(3)]
    parts += [
        foreseen(skill, arm, 10 * n + seed, "futures")
        for seed in range(3)
        for n, (arm, skill) in enumerate((("full", 1.0), ("head", 0.0)), 0)
    ]
    found = named(pl.concat(parts).with_columns(seed=pl.col("seed") % 10))
    daily = traded(found, BARS)
    trials = sharpes(daily, "a")
    rows = {row.arm: row for row in table(found, daily, BARS, trials)}
    full, head, scratch = rows["full"], rows["head"], rows[SCRATCH]
    assert (full.seeds, full.trainable) == (3, 7)
    assert full.sharpe.low > 1
    assert full.gain is not None
    assert full.error is not None
    assert full.gain.low > 0
    assert full.error.low > 0
    assert full.rank_ic > 0.5
    assert full.deflated > 0.95
    assert full.gross > full.sharpe.value
    assert head.gain is not None
    assert head.gain.low < 0 < head.gain.high
    assert abs(head.rank_ic) < 0.15
    assert head.deflated < 0.9
    assert (scratch.gain, scratch.error) == (None, None)
    first = compared(found, daily, BARS)["futures"]
    assert first.pairs == 2
    assert full.gain.low > first.gain.value > first.gain.low > 0
    assert first.error.low > 0
    said = verdict({"futures": first}, [full, head])
    assert "of 2 single comparisons 1 have the whole interval above zero, 0 below" in said
    assert cells_of(scratch)[4] == "—"


def test_what_an_arm_always_says_is_no_position() -> None:
    one = foreseen(1.0, "full", 0, "futures")
    shifted = one.with_columns(pl.col("forecast", "forecast_center") + 3.0)
    first, second = (traded(named(each), BARS)["net_return"].to_numpy() for each in (one, shifted))
    assert first == pytest.approx(second, abs=1e-12)


def test_every_run_counts_as_trials_and_the_same_run_once(tmp_path: Path) -> None:
    daily = traded(named(foreseen(0.0, SCRATCH, 0)), BARS)
    path = tmp_path / "trials.parquet"
    assert ledger(path, sharpes(daily, "a")).height == 1
    assert ledger(path, sharpes(daily, "b")).height == 2
    assert ledger(path, sharpes(daily, "a")).height == 2


def test_cells_are_made_once_and_follow_from_what_went_into_them(tmp_path: Path) -> None:
    """Every kind of arm on a corpus of two futures: made, found again, made anew for other quotes."""
    quotes = pl.concat([OWN, futures(PRETRAINED[:2], seed=1)])
    lines: list[str] = []
    todo = [
        Cell("tsmom", "", 0.0, 0, CUTOFF),
        Cell("ridge", "", 1.0, 0, CUTOFF),
        Cell(SCRATCH, "", 1.0, 0, CUTOFF),
        Cell(ZERO_SHOT, "futures", 0.0, 0, CUTOFF),
        Cell("head", "futures", 1.0, 0, CUTOFF),
    ]

    def run(series: pl.DataFrame) -> Any:
        lines.clear()
        backbones = Backbones(
            Lake(tmp_path / "none"), series, tmp_path / "b", config_of(4), CUTOFFS, lines.append
        )
        return Claim(bars_of(series, HELD_OUT), backbones, tmp_path / "c", lines.append).run(todo)

    first = run(quotes)
    assert len([line for line in lines if "pretrained" in line]) == 1
    assert len(lines) == 6
    assert first.group_by("arm").len()["len"].n_unique() == 1
    assert first["forecast"].is_finite().all()
    again = run(quotes)
    assert lines == []
    assert again.equals(first)
    # Other quotes of the pretraining: only what starts from it is another.
    changed = quotes.with_columns(
        pl.when(pl.col("instrument_id").is_in(roots(PRETRAINED)))
        .then(pl.col("close") * (1 + pl.col("date").dt.day() / 1000))
        .otherwise("close")
        .alias("close")
    )
    run(changed)
    assert len(lines) == 3
    # Other quotes of what is traded: nothing is the same, but the backbone.
    other = quotes.with_columns(
        pl.when(pl.col("instrument_id").is_in(roots(HELD_OUT)))
        .then(pl.col("close") * 2)
        .otherwise("close")
        .alias("close")
    )
    run(other)
    assert len(lines) == 5
