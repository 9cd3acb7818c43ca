"""Universality: what is new to a checkpoint, asked behind its cutoff only, few shots from before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategy_world import macro, market, put_checkpoint, put_lake, spec

from lim_pipelines.finetune import train
from lim_pipelines.finetune.store import one_thread
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.checkpoint import Group
from lim_pipelines.foundation.folders import replace_text
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.series import DAY, Series
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import UNIVERSALITY, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.universality import heads
from lim_pipelines.universality.families import AS_IT_IS, FEW, Asked, answers, cells, spread
from lim_pipelines.universality.few import adapted, last_windows
from lim_pipelines.universality.markets import known, read_series
from lim_pipelines.universality.publish import PAGE, publish
from lim_pipelines.universality.seen import Seen, seen_by
from lim_pipelines.universality.share import share

FAMILY = "foundation_checkpoint"
EARLY, LATE = date(2018, 1, 1), date(2018, 4, 1)
NAMES = ("XNAS:IXIC", "XNYS:SPX", "XNYM:WTI")
ASKED = Asked(moments=6, few=8, paths=8)


def trained_on(models: Path, cutoff: date, *exchanges: str) -> None:
    """A checkpoint of random weights that was trained on indices of some exchanges, by day."""
    digest = put_checkpoint(models, FAMILY, cutoff, cutoff.month)
    folder = checkpoint.folder_of(models, FAMILY, cutoff, digest)
    meta = checkpoint.read_meta(folder)
    groups = tuple(
        Group(exchange=mic, freq="1d", instruments=1, rows=1, first_ts="", last_ts="") for mic in exchanges
    )
    held_out = datetime(cutoff.year, cutoff.month, cutoff.day, tzinfo=UTC) - timedelta(days=20)
    changed = meta.model_copy(
        update={
            "config": meta.config.model_copy(update={"exchanges": exchanges, "asset_classes": ("index",)}),
            "data": meta.data.model_copy(update={"groups": groups}),
            "windows": {"held_out_from": held_out.isoformat()},
        }
    )
    replace_text(folder / checkpoint.META, changed.model_dump_json())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints that saw XNAS, and three markets."""
    root = tmp_path_factory.mktemp("home")
    put_lake(root / "lake", market(names=NAMES), macro())
    for cutoff in (EARLY, LATE):
        trained_on(root / "models", cutoff, "XNAS")
    return root


def series_like(name: str, asset_class: str, freq: str) -> Series:
    nothing = np.zeros((1, 5), np.float32)
    moment = np.zeros(1, np.int64)
    return Series(name, name.split(":")[0], asset_class, freq, moment, moment, nothing, nothing)


@pytest.mark.parametrize(
    ("name", "asset_class", "freq", "told"),
    [
        ("XNAS:COMP", "index", "1d", "seen"),
        ("XNAS:COMP@vendor", "index", "1d", "seen"),
        ("XNAS:COMP", "index", "1w", "new frequency"),
        ("XNAS:NDX", "index", "1d", "new instrument"),
        ("XNYS:COMP", "index", "1d", "new exchange"),
        ("XNYM:WTI", "commodity", "1w", "new asset class, new exchange, new frequency"),
        ("XNYS:DJI", "index", "1m", "new exchange"),
    ],
)
def test_what_is_new_is_told(name: str, asset_class: str, freq: str, told: str) -> None:
    seen = Seen(frozenset({("COMP", "XNAS", "1d"), ("SPX", "XNAS", "1m")}), frozenset({"index"}))
    assert seen.tell(series_like(name, asset_class, freq)) == told


def test_a_frequency_that_others_were_shown_is_new_for_an_instrument_that_was_not() -> None:
    seen = Seen(frozenset({("COMP", "XNAS", "1d"), ("SPX", "XNAS", "1m")}), frozenset({"index"}))
    assert seen.tell(series_like("XNAS:COMP", "index", "1m")) == "new frequency"


def test_only_what_had_bars_enough_before_the_held_out_time_was_seen(root: Path) -> None:
    lake = Lake(root / "lake")
    meta = checkpoint.read_meta(checkpoint.resolve(root / "models", FAMILY, EARLY))
    assert seen_by(lake, meta).series == {("IXIC", "XNAS", "1d")}
    first = lake.read(VALIDATED_BARS, as_of=LATEST).select(pl.col("ts").min()).collect().item()
    short = meta.model_copy(update={"windows": {"held_out_from": (first + timedelta(days=10)).isoformat()}})
    assert not seen_by(lake, short).series


@pytest.fixture(scope="module")
def scores(root: Path) -> pl.DataFrame:
    with one_thread():
        return answers(Lake(root / "lake"), root / "models", FAMILY, False, ASKED)


def test_checkpoints_are_asked_behind_their_cutoffs_and_about_the_same_windows(scores: pl.DataFrame) -> None:
    assert scores["ts"].dt.date().min() >= EARLY
    assert set(scores["freq"]) == {"1d", "1w"}
    told = dict(scores.select("exchange", "shown").filter(scores["freq"] == "1d").unique().iter_rows())
    assert told == {"XNAS": "seen", "XNYS": "new exchange", "XNYM": "new asset class, new exchange"}
    whole = set(scores.filter(pl.col("forecaster") == AS_IT_IS)["window"])
    for name in ("persistence", "ewma", "historical_volatility"):
        assert set(scores.filter(pl.col("forecaster") == name)["window"]) == whole
    few = scores.filter(pl.col("forecaster") == FEW)
    assert set(few["window"]) == set(scores.filter(pl.col("shown") != "seen")["window"])
    rows = cells(FAMILY, False, scores)
    shots = set(rows.select("shown", "shot").unique().iter_rows())
    assert ("seen", "full") in shots
    assert ("new exchange", "zero") in shots
    assert ("new exchange", "few") in shots
    assert ("seen", "few") not in shots
    assert not rows.filter(pl.col("low") > pl.col("skill")).height


def test_what_comes_later_changes_no_forecast(root: Path, scores: pl.DataFrame, tmp_path: Path) -> None:
    """Bars behind the last window's horizon are another; contexts and few shots never saw them."""
    bars = market(names=NAMES)
    later = pl.col("date") > date(2018, 6, 1)
    other = bars.with_columns(close=pl.when(later).then(pl.col("close") * 3).otherwise("close"))
    lake = put_lake(tmp_path / "lake", other, macro())
    with one_thread():
        changed = answers(lake, root / "models", FAMILY, False, ASKED)
    early = (pl.col("freq") == "1d") & (pl.col("ts").dt.date() < date(2018, 5, 15))
    one, two = scores.filter(early), changed.filter(early)
    columns = ["forecaster", "window", "crps_return", "crps_volatility"]
    assert one.height > 20
    assert one.select(columns).equals(two.select(columns))


def test_windows_with_bars_that_came_late_are_not_asked() -> None:
    ts = np.arange(6, dtype=np.int64) * DAY
    late = ts.copy()
    late[2] = ts[4]
    one = replace(series_like("XNAS:COMP", "index", "1d"), ts=ts, known_at=late)
    picks = np.array([[0, 1], [0, 3], [0, 4], [0, 5]])
    assert known([one], picks, 3).tolist() == [True, False, True, True]
    assert known([one], np.array([[0, 3]]), 1).tolist() == [True]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(1, 30))
def test_few_shots_are_the_last_windows_and_their_horizons_were_there(lengths: list[int], count: int) -> None:
    past = [
        replace(
            series_like(f"XNAS:{i}", "index", "1d"), ts=np.arange(n, dtype=np.int64), known_at=np.arange(n)
        )
        for i, n in enumerate(lengths)
    ]
    picks = last_windows(past, 8, 4, count)
    fits = [(row, at) for at, n in enumerate(lengths) for row in range(4, n - 4)]
    assert len(picks) == min(count, len(fits))
    assert all(row + 4 < lengths[at] and row >= 4 for at, row in picks.tolist())
    oldest = min((row for _, row in picks.tolist()), default=0)
    assert sum(row > oldest for row, _ in fits) <= len(picks)


def test_a_few_shot_copy_learns_and_the_checkpoint_stays_as_it_is(root: Path) -> None:
    model, _ = checkpoint.load(checkpoint.resolve(root / "models", FAMILY, EARLY))
    series = read_series(Lake(root / "lake"), False, EARLY, 64)
    wti = [one for one in series if one.exchange == "XNYM" and one.freq == "1d"]
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    tuned = adapted(model, wti, 32, seed=0)
    again = adapted(model, wti, 32, seed=0)
    assert isinstance(tuned, FoundationModel)
    assert isinstance(again, FoundationModel)
    assert all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())
    moved = [n for n, weights in tuned.state_dict().items() if not torch.equal(weights, before[n])]
    assert moved
    assert all(torch.equal(a, b) for a, b in zip(tuned.parameters(), again.parameters(), strict=True))
    assert adapted(model, [], 32, seed=0) is None


def scores_of(better: list[float], days: int) -> pl.DataFrame:
    """Two forecasters in some markets, and by how much the first is better in each."""
    rng = np.random.default_rng(3)
    rows = []
    for i, gain in enumerate(better):
        for day in range(days):
            moment = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(days=day)
            noise = rng.normal(0, 0.1)
            for name, loss in (("a", 1.0 - gain + noise), ("b", 1.0)):
                rows.append((name, f"{i}/{day}", moment, f"X{i}", "index", "1d", "seen", loss))
    names = ("forecaster", "window", "ts", "exchange", "asset_class", "freq", "shown", "crps_return")
    return pl.DataFrame(rows, schema=names, orient="row")


def test_the_share_of_markets_is_counted_and_its_interval_is_wide_where_days_decide() -> None:
    clear = share(scores_of([0.5, 0.5, -0.5, -0.5], 40), "a", "b", "return")
    assert clear == (0.5, 0.5, 0.5, 4)
    close = share(scores_of([0.01, 0.01, -0.01, -0.01], 40), "a", "b", "return")
    assert close is not None
    assert close.low < 0.5 < close.high
    assert share(scores_of([0.5], 40), "nobody", "b", "return") is None


def test_cutoffs_of_the_last_year_are_evenly_spread() -> None:
    months = [date(2017, m, 1) for m in range(1, 13)] + [date(2018, m, 1) for m in range(1, 13)]
    assert spread(months, 2) == [date(2018, 1, 1), date(2018, 7, 1)]
    assert spread(months, 4) == [date(2018, m, 1) for m in (1, 4, 7, 10)]
    assert spread(months[:1], 4) == months[:1]


def strategy() -> StrategySpec:
    return spec(
        "directional",
        features=[],
        seeds=[1],
        controls=[],
        fit={"steps": 3, "batch": 8, "validation_sessions": 40},
    )


@pytest.fixture(scope="module")
def fitted(root: Path) -> StrategySpec:
    one = strategy()
    for day in (EARLY, LATE):
        job = {"lake": str(root / "lake"), "models": str(root / "models"), "cutoffs": [day.isoformat()]}
        train.train(job | {"strategy": one.model_dump(mode="json")})
    return one


def test_a_strategy_is_asked_about_its_own_and_what_is_new_to_it(root: Path, fitted: StrategySpec) -> None:
    found = heads.ask(Lake(root / "lake"), root / "models", fitted, ASKED)
    told = {
        (exchange, shown, shot)
        for exchange, shown, shot in found.rows["exchange", "shown", "shot"].iter_rows()
    }
    other = "new asset class, new exchange"
    assert told == {("XNYM", "seen", "full"), ("XNAS", other, "zero"), ("XNYS", other, "zero")}
    assert found.rows["windows"].max() <= 2 * ASKED.moments
    assert not found.left_out


def test_a_strategy_is_not_asked_where_anything_it_looks_at_came_later(
    root: Path, fitted: StrategySpec, tmp_path: Path
) -> None:
    corrected = (pl.col("exchange") == "XNYS") & (pl.col("date") == date(2017, 9, 5))
    later = pl.when(corrected).then(datetime(2019, 1, 1, tzinfo=UTC)).otherwise("known_at")
    lake = put_lake(tmp_path / "lake", market(names=NAMES).with_columns(known_at=later), macro())
    found = heads.ask(lake, root / "models", fitted, ASKED)
    assert set(found.rows["exchange"]) == {"XNYM", "XNAS"}


def test_a_rank_ic_knows_good_forecasts_from_bad_ones() -> None:
    rng = np.random.default_rng(0)
    days = [date(2018, 1, 1) + timedelta(days=d) for d in range(60)]
    names = [f"XNAS:{i}" for i in range(8)]
    label = rng.normal(size=(60, 8))
    good = label + rng.normal(size=(60, 8))
    frame = pl.DataFrame(
        {"date": [day for day in days for _ in range(8)], "instrument_id": names * 60, "label": label.ravel()}
    )
    for task in ("directional", "cross_sectional"):
        one = spec(task)
        found = heads.rank_ic(one, frame.with_columns(forecast=pl.Series(good.ravel())))
        nothing = heads.rank_ic(one, frame.with_columns(forecast=pl.Series(rng.normal(size=480))))
        assert found is not None
        assert nothing is not None
        assert 0.5 < found.low < found.mean < found.high < 0.9
        assert nothing.low < 0 < nothing.high
        assert heads.rank_ic(one, frame.with_columns(forecast=pl.lit(1.0))) is None


def test_the_test_writes_its_table_and_its_page(root: Path, fitted: StrategySpec, tmp_path: Path) -> None:
    lake = Lake(root / "lake")
    families = {FAMILY: False, "xsim_foundation_checkpoint": True}
    commit, rows = publish(lake, root / "models", tmp_path, families, [fitted], ASKED)
    stored = lake.read(UNIVERSALITY, as_of=LATEST).collect()
    assert stored.height == rows.height == commit.rows
    assert set(stored["subject"]) == {FAMILY, fitted.name}
    html = (tmp_path / PAGE).read_text()
    for words in ("class, exchange", "zero-shot", "few-shot", "not independent", f"skill-{FAMILY}"):
        assert words in html
    assert publish(lake, root / "models", tmp_path, families, [fitted], ASKED)[0].changed.is_empty()


def test_an_empty_home_has_a_page_that_says_so(tmp_path: Path) -> None:
    publish(Lake(tmp_path / "lake"), tmp_path / "models", tmp_path, {FAMILY: False}, [strategy()], ASKED)
    assert "no checkpoint" in (tmp_path / PAGE).read_text()
    publish(Lake(tmp_path / "lake"), tmp_path / "models", tmp_path, {FAMILY: False}, [], ASKED)
    assert "no checkpoint" in (tmp_path / PAGE).read_text()
