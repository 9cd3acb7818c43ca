"""Effectiveness: what passes and what does not, year by year, and what was promised beside what came."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_world import market, spec

from lim_pipelines.effectiveness import FEWEST_YEARS, PAGE, publish, verdict
from lim_pipelines.evaluate import ledger
from lim_pipelines.evaluate.leaderboard import Judgement
from lim_pipelines.evaluate.luck import Luck
from lim_pipelines.evaluate.promised import decay, fresh_rank_ic, promised
from lim_pipelines.evaluate.years import ALL, records, years_won
from lim_pipelines.finetune.store import ArmMeta, ModelMeta
from lim_pipelines.lake import LATEST, Lake, scope_of
from lim_pipelines.schemas import BACKTEST_DAILY, EFFECTIVENESS, SCORES, TARGETS, VALIDATED_BARS

SPEC = spec("directional")
FIRST, LAST = date(2015, 1, 5), date(2018, 6, 29)


def judgement(**changes: Any) -> Judgement:
    luck = Luck(trials=8, compared=8, deflated=0.99, p_control=0.01)
    one = Judgement(
        strategy="one",
        simulated=False,
        arm="head",
        seeds=1,
        days=1000,
        net_sharpe=1.5,
        gross_sharpe=2.0,
        low=0.5,
        high=2.5,
        cagr=0.1,
        max_drawdown=-0.1,
        turnover_per_year=10.0,
        best_control="ridge",
        best_control_sharpe=0.2,
        luck=luck,
        verdict="",
    )
    return replace(one, **changes)


GOOD = {"years": 4.0, "share_of_years_above_zero": 1.0, "share_of_years_above_control": 0.75}


def test_what_is_better_than_luck_and_the_simple_rule_year_after_year_passes() -> None:
    passed, words = verdict(judgement(), GOOD)
    assert passed
    assert "PASS" in words
    assert verdict(judgement(best_control=""), GOOD)[0]


@pytest.mark.parametrize(
    ("changes", "figures", "word"),
    [
        ({"net_sharpe": -0.1}, {}, "earns nothing"),
        ({"net_sharpe": math.nan}, {}, "earns nothing, as it held nothing"),
        ({"days": 3, "luck": Luck(trials=8, compared=8)}, {"years": 0.0}, "3 sessions cannot show anything"),
        ({"luck": Luck(trials=8, compared=8)}, {}, "after 8 trials it may be luck;"),
        ({"luck": Luck(trials=8, compared=8, deflated=0.94, p_control=0.01)}, {}, "may be luck (94%)"),
        ({"luck": Luck(trials=8, compared=8, deflated=0.99, p_control=0.06)}, {}, "lead over ridge"),
        ({"luck": Luck(trials=8, compared=8, deflated=0.99)}, {}, "lead over ridge"),
        ({"best_control_sharpe": 1.6}, {}, "no better than ridge"),
        ({}, {"years": FEWEST_YEARS - 1.0}, "2 years cannot show"),
        ({}, {"share_of_years_above_zero": 0.5}, "above zero in 50% of 4 years only"),
        ({}, {"share_of_years_above_control": 0.5}, "above ridge in 50% of 4 years only"),
    ],
)
def test_each_thing_that_is_missing_is_named(
    changes: dict[str, Any], figures: dict[str, float], word: str
) -> None:
    passed, words = verdict(judgement(**changes), GOOD | figures)
    assert not passed
    assert words.startswith("NOT SHOWN")
    assert "nan" not in words
    assert word in words


def test_a_simulated_market_is_never_a_real_result() -> None:
    assert verdict(judgement(simulated=True), GOOD)[1].startswith("SIMULATED market, no real result.")


sharpes = st.lists(st.floats(-5, 5), min_size=1, max_size=8)


@given(sharpes, st.data())
def test_shares_of_years_are_counts(own: list[float], data: st.DataObject) -> None:
    control = data.draw(st.lists(st.floats(-5, 5), min_size=len(own), max_size=len(own)))
    periods = [str(2000 + i) for i in range(len(own))]

    def table(values: list[float]) -> dict[str, dict[str, float]]:
        return {p: {"sharpe": v} for p, v in zip(periods, values, strict=True)} | {ALL: {"sharpe": 9.0}}

    found = years_won(table(own), table(control))
    assert found["years"] == len(own)
    assert found["share_of_years_above_zero"] * len(own) == pytest.approx(sum(v > 0 for v in own))
    beaten = sum(a > b for a, b in zip(own, control, strict=True))
    assert found["share_of_years_above_control"] * len(own) == pytest.approx(beaten)


def test_short_years_are_counted_and_not_judged() -> None:
    daily = books(SPEC, 0.001).filter(pl.col("date") >= date(2017, 11, 1))
    found = records(daily, SPEC.method)
    assert set(found) == {"2017", "2018", ALL}
    assert set(found["2017"]) == {"days"}
    assert found["2018"]["sharpe_low"] < found["2018"]["sharpe"] < found["2018"]["sharpe_high"]
    assert years_won(found, {})["years"] == 1


def forecasts(signal: float) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    label = rng.standard_normal(4000)
    said = signal * label + rng.standard_normal(4000)
    cutoffs = [date(2018, month, 1) for month in (1, 2, 3, 4)]
    return pl.DataFrame(
        {
            "arm": ["head"] * 4000,
            "seed": [1] * 4000,
            "cutoff": np.repeat(np.array(cutoffs), 1000).tolist(),
            "date": np.repeat(np.array(cutoffs), 1000).tolist(),
            "forecast": np.where(np.arange(4000) % 2000 < 1000, said, -said),
            "label": label,
        }
    )


def meta(cutoff: date, value: float | None) -> ModelMeta:
    arm = ArmMeta(arm="head", seed=1, forecast_scale=1.0, metrics={"validation_rank_ic": value}, seconds=0.0)
    return ModelMeta.model_construct(cutoff=cutoff, arms=(arm,))


def test_what_was_promised_stands_beside_what_came_and_models_wear_out() -> None:
    came = forecasts(1.0)
    cutoffs = [date(2018, month, 1) for month in (1, 2, 3, 4)]
    said = list(zip(cutoffs, (0.1, None, 0.3, None), strict=True))
    # Trained in January and March: good in their first month, wrong in the second.
    metas = {c: meta(cutoffs[i - i % 2], v) for i, (c, v) in enumerate(said)}
    assert promised(["head", "ridge"], metas) == {"head": {"promised_rank_ic": pytest.approx(0.2)}}
    assert abs(fresh_rank_ic("directional", came)["head"]) < 0.05
    worn = decay("directional", "head", came, metas)
    assert worn["rank_ic_month_1"] > 0.6
    assert worn["rank_ic_month_2"] < -0.6
    always_new = {c: meta(c, 0.1) for c in cutoffs}
    assert decay("directional", "head", came, always_new) == {}


def books(one: Any, mean: float) -> pl.DataFrame:
    days = pl.date_range(FIRST, LAST, "1d", eager=True)
    days = days.filter(days.dt.weekday() < 6)
    rng = np.random.default_rng(1)
    parts = [
        pl.DataFrame(
            {"date": days, "net_return": rng.normal(mean if arm == one.method else 0, 0.01, len(days))}
        )
        .with_columns(
            strategy=pl.lit(one.name), arm=pl.lit(arm), seed=pl.lit(seed), gross_return="net_return"
        )
        .with_columns(cost=0.0, turnover=0.1, gross_exposure=0.5, net_exposure=0.0)
        for arm, seed in one.books()
    ]
    return BACKTEST_DAILY.conform(pl.concat(parts))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Results of four years, made up; forecasts of two months; no models: they promise nothing."""
    bars = market(names=tuple(SPEC.universe.instruments))
    lake = Lake(tmp_path / "lake")
    lake.write(VALIDATED_BARS, bars, bars.select("exchange", "date").unique())
    own = scope_of({"strategy": [SPEC.name]})
    daily = books(SPEC, 0.002)
    lake.write(BACKTEST_DAILY, daily, own)
    ledger.enter(lake, SPEC.name, SPEC.digest(), SPEC.simulated, daily)
    days = bars.filter(pl.col("date") >= date(2018, 5, 1)).select("exchange", "instrument_id", "date")
    rows = [
        days.with_columns(strategy=pl.lit(SPEC.name), arm=pl.lit(arm), seed=pl.lit(seed), weight=0.1)
        for arm, seed in SPEC.books()
    ]
    targets = pl.concat(rows).with_columns(
        cutoff=pl.col("date").dt.truncate("1mo"),
        spec_digest=pl.lit("a"),
        model_digest=pl.lit("b"),
        decided_at=pl.col("date").cast(TARGETS.schema["decided_at"]),
        forecast=pl.lit(np.random.default_rng(2).normal(size=1)[0]) * pl.col("date").dt.day(),
    )
    cutoffs = targets["cutoff"].unique().to_list()
    lake.write(TARGETS, TARGETS.conform(targets), scope_of({"strategy": [SPEC.name], "cutoff": cutoffs}))
    scores = [(SPEC.name, arm, seed, "rank_ic", 0.1 * seed) for arm, seed in SPEC.books()]
    lake.write(SCORES, SCORES.conform(pl.DataFrame(scores, schema=SCORES.schema, orient="row")), own)
    return lake


def test_the_test_writes_its_table_and_a_page_that_leads_to_the_report(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / f"{SPEC.name}.html").touch()
    commit, (one,) = publish(lake, tmp_path / "models", tmp_path / "reports", [SPEC])
    rows = lake.read(EFFECTIVENESS, as_of=LATEST).collect()
    assert commit.rows == rows.height == one.figures.height
    assert set(rows["period"]) == {"2015", "2016", "2017", "2018", ALL}
    method = dict(
        rows.filter(pl.col("arm") == SPEC.method, pl.col("period") == ALL)["metric", "value"].iter_rows()
    )
    assert method["years"] == 4
    assert method["rank_ic"] == pytest.approx(0.1 * np.mean(SPEC.seeds))
    assert one.judged.verdict
    html = (tmp_path / "reports" / PAGE).read_text()
    assert f'href="{SPEC.name}.html"' in html
    assert "leaderboard.html" not in html
    assert one.verdict.split(":")[0] in html
    again, _ = publish(lake, tmp_path / "models", tmp_path / "reports", [SPEC])
    assert again.changed.is_empty()


def test_results_of_arms_that_the_yaml_no_longer_names_are_not_judged(lake: Lake, tmp_path: Path) -> None:
    fewer = SPEC.model_copy(update={"controls": SPEC.controls[:1]})
    assert len(fewer.arms) < len(SPEC.arms)
    _, (one,) = publish(lake, tmp_path / "models", tmp_path / "reports", [fewer])
    assert set(one.figures["arm"]) == set(fewer.arms)


def test_without_strategies_or_results_there_is_nothing_to_test(tmp_path: Path) -> None:
    for specs in ([], [SPEC]):
        commit, found = publish(Lake(tmp_path / "empty"), tmp_path / "models", tmp_path / "reports", specs)
        assert (commit.rows, found) == (0, [])
        assert "No strategy has a backtest yet." in (tmp_path / "reports" / PAGE).read_text()
