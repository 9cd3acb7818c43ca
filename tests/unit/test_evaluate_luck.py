from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from strategy_world import spec

from lim_pipelines.bootstrap import resampled_rows
from lim_pipelines.evaluate.deflated_sharpe import deflated_sharpe, expected_best, probabilistic_sharpe
from lim_pipelines.evaluate.intervals import sharpe_interval
from lim_pipelines.evaluate.leaderboard import Judgement, judge, leaderboard
from lim_pipelines.evaluate.ledger import Ledger, enter, read, trial_returns, trials
from lim_pipelines.evaluate.verdict import missing
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import BACKTEST_DAILY, TRIALS


def test_the_papers_worked_example() -> None:
    """Bailey and Lopez de Prado (2014), numerical example: annual Sharpe 2.5 over five years of days.

    100 trials whose annual Sharpe ratios have variance 1/2, skewness -3, kurtosis 10: the paper gets an
    expected best of 0.1132 a day and a DSR of 0.9004; with 46 trials 0.9505.
    """
    best = expected_best(100, 0.5 / 250)
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, best) == pytest.approx(
        0.9004, abs=5e-5
    )
    fewer = expected_best(46, 0.5 / 250)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, fewer) == pytest.approx(
        0.9505, abs=5e-5
    )


def test_the_expected_best_of_noise_is_about_what_noise_reaches() -> None:
    rng = np.random.default_rng(3)
    best = rng.standard_normal((20_000, 30)).max(axis=1).mean()
    assert expected_best(30, 1.0) == pytest.approx(best, rel=0.02)
    assert expected_best(1, 1.0) == 0.0
    with pytest.raises(ValueError, match="itself is one"):
        expected_best(0, 1.0)


def test_psr_of_normal_returns_is_the_frequency_of_a_positive_mean() -> None:
    rng = np.random.default_rng(4)
    sharpes = rng.normal(0.05, 1.0, (4000, 250))
    observed = sharpes.mean(axis=1) / sharpes.std(axis=1, ddof=1)
    # Where PSR(0.05) says p, the estimate lies that far above the truth: uniform over repetitions.
    levels = [probabilistic_sharpe(float(s), 250, 0.0, 3.0, 0.05) for s in observed]
    assert np.quantile(levels, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_more_trials_deflate_more() -> None:
    rng = np.random.default_rng(5)
    returns, others = rng.normal(0.001, 0.01, 500), rng.normal(0.0, 0.05, 200)
    values = [deflated_sharpe(returns, others[:n]) for n in (2, 20, 200)]
    assert values[0] > values[1] > values[2]
    assert deflated_sharpe(returns, others[:1]) > values[0]
    with pytest.raises(ValueError, match="differ"):
        deflated_sharpe(np.zeros(10), others)


def test_resampling_wraps_keeps_blocks_and_covers_all_days_alike() -> None:
    rows = resampled_rows(50, 4000, 10.0, np.random.default_rng(0))
    assert rows.min() == 0
    assert rows.max() == 49
    assert np.bincount(rows.ravel()) == pytest.approx(np.full(50, 4000), rel=0.12)
    follows = ((rows[:, 1:] - rows[:, :-1]) % 50 == 1).mean()
    assert follows == pytest.approx(0.9 + 0.1 / 50, abs=0.01)  # a block goes on, or a new one happens to


def test_intervals_hold_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    true = 0.08 * math.sqrt(252)
    held = 0
    for _ in range(120):
        low, high = sharpe_interval(rng.normal(0.0008, 0.01, 250))
        held += low <= true <= high
    assert 0.85 <= held / 120 <= 1.0
    returns = rng.normal(0, 0.01, 100)
    assert sharpe_interval(returns) == sharpe_interval(returns)
    assert math.isnan(sharpe_interval(np.zeros(100))[0])


def record(returns: np.ndarray, arm: str, seed: int) -> pl.DataFrame:
    days = [date(2018, 1, 1) + timedelta(days=i) for i in range(len(returns))]
    return BACKTEST_DAILY.conform(
        pl.DataFrame({"date": days, "net_return": returns, "gross_return": returns + 1e-4}).with_columns(
            strategy=pl.lit("small"),
            arm=pl.lit(arm),
            seed=pl.lit(seed),
            cost=1e-4,
            turnover=0.1,
            gross_exposure=1.0,
            net_exposure=0.0,
        )
    )


def daily(mean: float, days: int = 250, task: str = "directional") -> pl.DataFrame:
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 0.01, (len(spec(task).books()), days))
    noise -= noise.mean(axis=1, keepdims=True)
    return pl.concat(
        [
            record(noise[i] + (mean if arm == spec(task).method else 0.0), arm, seed)
            for i, (arm, seed) in enumerate(spec(task).books())
        ]
    )


def ledger(*backtests: tuple[str, pl.DataFrame], simulated: bool = False) -> Ledger:
    """Ledger of backtests, given as (specification, daily results)."""
    return Ledger(
        pl.concat([trials(str(rows["strategy"][0]), one, simulated, rows) for one, rows in backtests]),
        pl.concat([trial_returns(one, rows) for one, rows in backtests]),
    )


def test_the_ledger_counts_every_arm_and_seed_once() -> None:
    one = trials("small", "digest", False, daily(0.001))
    assert one.schema == TRIALS.schema
    assert one.height == len(spec("directional").books())
    assert one.filter(pl.col("arm") == "full")["sharpe_per_day"].to_list() == pytest.approx(
        [0.1] * 2, rel=0.2
    )
    flat = trials("small", "digest", False, record(np.zeros(10), "ridge", 0))
    assert flat["sharpe_per_day"].to_list() == [0.0]


@pytest.mark.parametrize(
    ("mean", "days", "words"),
    [
        (0.004, 250, "Better than luck after 6 trials"),
        (0.0004, 250, "Not distinguishable from luck after 6 trials"),
        (-0.001, 250, "Loses money after costs"),
        (0.004, 40, "Too short to judge: 40 sessions"),
    ],
)
def test_verdicts_in_plain_words(mean: float, days: int, words: str) -> None:
    rows = daily(mean, days)
    verdict = judge(spec("directional"), rows, ledger(("d", rows))).verdict
    assert words in verdict
    assert ("ahead of" in verdict) == (mean > 0)
    assert "SIMULATED" not in verdict


def test_a_strategy_that_never_trades_is_said_to() -> None:
    rows = daily(0.0).with_columns(net_return=0.0, gross_return=0.0)
    judged = judge(spec("directional"), rows, ledger(("d", rows)))
    assert "Never traded" in judged.verdict
    assert math.isnan(judged.luck.deflated)


def test_simulated_strategies_stand_apart() -> None:
    real, pretend = spec("directional", name="real_one"), spec(name="pretend")
    table = leaderboard(
        [
            judge(pretend, daily(0.004, task="cross_sectional"), ledger(("d", daily(0.001)), simulated=True)),
            judge(real, daily(0.001), ledger(("d", daily(0.001)))),
        ]
    )
    assert table["strategy"].to_list() == ["real_one", "pretend"]
    assert table["section"].to_list() == ["real data", "SIMULATED data"]
    assert table["trials"].to_list() == [6, 6]
    assert table["verdict"][1].startswith("SIMULATED market")
    assert leaderboard([]).height == 0


def judged_among(mean: float, *others: tuple[str, pl.DataFrame]) -> Judgement:
    rows = daily(mean)
    return judge(spec("directional"), rows, ledger(("d", rows), *others))


def test_all_statistics_of_a_good_record() -> None:
    found = judged_among(0.002).luck
    assert (found.trials, found.compared) == (6, 6)
    assert found.deflated < found.probabilistic
    assert found.sessions_needed < 250
    assert found.sessions_needed < found.sessions_needed_deflated
    assert found.p_money <= 0.05
    assert found.p_control <= 0.05
    assert found.p_anything == found.p_money
    assert found.may_be_best is True
    assert found.overfitting is not None
    assert found.overfitting.probability < 0.2


def test_a_record_is_worth_less_after_more_trials() -> None:
    rng = np.random.default_rng(11)
    noise = [
        (f"e{i}", record(rng.normal(0, 0.01, 250), "full", i).with_columns(strategy=pl.lit("other")))
        for i in range(60)
    ]
    few, many = judged_among(0.0012).luck, judged_among(0.0012, *noise).luck
    assert (few.compared, many.compared) == (6, 66)
    assert many.deflated < few.deflated
    assert many.p_money > few.p_money
    assert many.sessions_needed == few.sessions_needed
    assert many.sessions_needed_deflated > few.sessions_needed_deflated
    # Corrected for what its own strategy tried, which is the same.
    assert many.p_control == few.p_control


def test_the_same_trial_again_is_no_evidence_against_it() -> None:
    rows = daily(0.0012)
    again = judge(spec("directional"), rows, ledger(("d", rows), ("e", rows))).luck
    assert (again.trials, again.compared) == (12, 6)
    assert again.p_money == judged_among(0.0012).luck.p_money


def test_leverage_is_no_skill() -> None:
    rows = daily(0.0012)
    twice = rows.with_columns(
        pl.when(pl.col("arm") != "full").then(3.0).otherwise(0.5) * pl.col("net_return")
    )
    one, other = (judge(spec("directional"), each, ledger(("d", each))).luck for each in (rows, twice))
    assert one.p_control == pytest.approx(other.p_control, abs=1e-9)
    assert one.p_anything == pytest.approx(other.p_anything, abs=1e-9)
    assert one.may_be_best == other.may_be_best


def test_the_same_record_with_leverage_is_the_same_trial() -> None:
    rows = daily(0.0012)
    levered = rows.with_columns(pl.col("net_return") * 2.7)
    again = judge(spec("directional"), rows, ledger(("d", rows), ("e", levered))).luck
    once = judged_among(0.0012).luck
    assert (again.trials, again.compared) == (12, 6)
    assert (again.p_money, again.p_control) == (once.p_money, once.p_control)
    assert again.may_be_best == once.may_be_best
    assert repr(again.overfitting) == repr(once.overfitting)


def arm(mean: list[float], name: str) -> pl.DataFrame:
    """An arm whose seeds earn this on average, in the same market, with a tenth of its risk of their own."""
    rng = np.random.default_rng(21)
    shared = rng.normal(0, 0.01, 250)
    own = rng.normal(0, 0.001, (len(mean), 250))
    noise = shared - shared.mean() + own - own.mean(axis=1, keepdims=True)
    return pl.concat([record(noise[i] + each, name, i) for i, each in enumerate(mean)])


def test_a_fund_is_compared_with_funds_and_not_with_its_own_seeds() -> None:
    """One of three seeds was lucky. That one is no other method; the same luck in all of another arm is."""
    lucky = arm([0.003, 0.001, 0.001], "full")
    alone = judge(spec("directional"), lucky, ledger(("d", lucky))).luck
    assert (alone.compared, alone.may_be_best) == (3, True)
    better = arm([0.0031, 0.003, 0.003], "scratch")
    among = judge(spec("directional"), lucky, ledger(("d", pl.concat([lucky, better])))).luck
    assert (among.compared, among.may_be_best) == (6, False)


def test_trials_of_other_days_count_but_are_not_compared() -> None:
    elsewhere = daily(0.001).with_columns(pl.col("date").dt.offset_by("3y"), strategy=pl.lit("late"))
    found = judged_among(0.0012, ("late", elsewhere)).luck
    assert (found.trials, found.compared) == (12, 6)


def test_trials_from_before_their_returns_were_kept_still_count() -> None:
    rows = daily(0.0012)
    whole = ledger(("d", rows), ("old", rows))
    found = judge(spec("directional"), rows, Ledger(whole.trials, whole.returns.clear())).luck
    assert (found.trials, found.compared) == (12, 0)
    assert found.overfitting is None
    assert not math.isnan(found.deflated)
    assert found.p_money == found.p_anything


@pytest.mark.parametrize(
    ("days", "needed", "words"),
    [
        (62, 70.0, "needs 1 more month like these"),
        (62, 62 + 14 * 21.0, "needs 14 more months like these"),
        (62, 62 + 252 * 7.2, "needs 7 more years like these"),
        (62, math.inf, "no record with this Sharpe ratio could be long enough"),
    ],
)
def test_how_much_more_is_needed_in_words(days: int, needed: float, words: str) -> None:
    assert missing(days, needed) == words


def test_the_ledger_in_the_lake_keeps_every_specification(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = daily(0.001)
    for digest in ("one", "two", "one"):
        enter(lake, "small", digest, False, rows)
    enter(lake, "pretend", "one", True, rows.with_columns(strategy=pl.lit("pretend")))
    real, simulated = read(lake, False), read(lake, True)
    assert (real.trials.height, simulated.trials.height) == (12, 6)
    assert real.returns.height == 2 * rows.height
    assert set(simulated.returns["strategy"]) == {"pretend"}
    panel = real.beside(rows["date"].unique().sort())
    assert panel.returns.shape == (250, 6)
    first = panel.books.row(0, named=True)
    own = rows.filter((pl.col("arm") == first["arm"]) & (pl.col("seed") == first["seed"])).sort("date")
    assert (panel.returns[:, 0] == own["net_return"].to_numpy()).all()
