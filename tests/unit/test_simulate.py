"""XSIM: deterministic, causal, consistent bars, and what was planted is there."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from lim_pipelines.exchanges import sessions
from lim_pipelines.simulate import xsim


@pytest.fixture(scope="module")
def simulated() -> xsim.Simulated:
    return xsim.simulate()


@pytest.fixture(scope="module")
def returns(simulated: xsim.Simulated) -> pl.DataFrame:
    daily = simulated.bars.filter(pl.col("freq") == "1d").sort("symbol", "date")
    log_return = pl.col("close").log().diff().over("symbol")
    return daily.select("date", "symbol", "close", log_return.alias("r")).join(
        simulated.truth.expected, on=["date", "symbol"]
    )


def wide(returns: pl.DataFrame, value: str) -> pl.DataFrame:
    return returns.pivot("symbol", index="date", values=value).sort("date")


def test_same_seed_same_exchange(simulated: xsim.Simulated) -> None:
    assert xsim.simulate().bars.equals(simulated.bars)
    other = xsim.simulate(seed=8, end=date(2014, 3, 3))
    assert not other.bars["close"].equals(simulated.bars.head(other.bars.height)["close"])


@pytest.mark.parametrize("end", [date(2014, 1, 3), date(2017, 10, 2), date(2018, 7, 3), date(2018, 11, 15)])
def test_a_later_end_changes_nothing_earlier(simulated: xsim.Simulated, end: date) -> None:
    shorter = xsim.simulate(end=end)
    assert shorter.bars.equals(simulated.bars.filter(pl.col("date") <= end))
    assert shorter.truth.expected.equals(simulated.truth.expected.filter(pl.col("date") <= end))
    assert shorter.truth.pairs == simulated.truth.pairs


def test_every_session_has_every_instrument(simulated: xsim.Simulated) -> None:
    daily = simulated.bars.filter(pl.col("freq") == "1d")
    grid = sessions("XSIM", xsim.FIRST_SESSION, xsim.LAST_SESSION)
    assert daily.height == grid.height * 64
    assert set(daily["symbol"]) == set(xsim.instrument_names())
    ends = daily.select("date", "ts").unique().sort("date")
    assert ends["ts"].equals(grid["close"].alias("ts"))


def test_bars_are_consistent_and_in_cents(simulated: xsim.Simulated) -> None:
    bars = simulated.bars
    prices = bars.select("open", "high", "low", "close")
    assert (prices.min_horizontal() == bars["low"]).all()
    assert (prices.max_horizontal() == bars["high"]).all()
    assert (prices.to_numpy() > 1).all()
    assert np.array_equal(np.round(prices.to_numpy(), 2), prices.to_numpy())
    assert (bars["volume"] >= 0).all()


def test_minutes_add_up_to_the_day(simulated: xsim.Simulated) -> None:
    day = ["symbol", "date"]
    minutes = simulated.bars.filter(pl.col("freq") == "1m").sort("symbol", "ts")
    built = minutes.group_by(day).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
        pl.col("ts").last(),
        bars=pl.len(),
    )
    daily = simulated.bars.filter(pl.col("freq") == "1d").join(built.select(day), on=day, how="semi")
    columns = [*day, "open", "high", "low", "close", "volume", "ts"]
    assert built.sort(day).select(columns).equals(daily.sort(day).select(columns))
    half_day = built.filter(pl.col("date") == date(2018, 12, 24))
    assert half_day["bars"].to_list() == [210] * 4
    assert set(built["bars"]) == {210, 390}
    assert set(built["symbol"]) == set(simulated.truth.minute)
    assert built["date"].min() == xsim.FIRST_MINUTE_SESSION


def test_roles_part_the_instruments(simulated: xsim.Simulated) -> None:
    truth = simulated.truth
    groups = [truth.momentum, *truth.lead_lag, *truth.pairs, truth.controls]
    names = [name for group in groups for name in group]
    assert sorted(names) == xsim.instrument_names()


def test_planted_expectation_is_the_conditional_mean(
    returns: pl.DataFrame, simulated: xsim.Simulated
) -> None:
    """Regressing returns on the planted expectation gives a slope of one; controls expect nothing."""
    controls = returns.filter(pl.col("symbol").is_in(simulated.truth.controls))
    assert (controls["expected"] == 0).all()
    planted = returns.drop_nulls().filter(pl.col("expected") != 0)
    # The market is common noise: compare within each session.
    centred = planted.with_columns(pl.col("r", "expected") - pl.col("r", "expected").mean().over("date"))
    slope = (centred["r"] * centred["expected"]).sum() / (centred["expected"] ** 2).sum()
    assert slope == pytest.approx(1, abs=0.1)


def test_laggers_follow_their_leaders(returns: pl.DataFrame, simulated: xsim.Simulated) -> None:
    table = wide(returns, "r").drop_nulls()
    market = table.drop("date").mean_horizontal()
    for leader, lagger in simulated.truth.lead_lag:
        lead, lag = table[leader] - market, table[lagger] - market
        forward = np.corrcoef(lead[:-1], lag[1:])[0, 1]
        backward = np.corrcoef(lag[:-1], lead[1:])[0, 1]
        assert forward > 0.1
        assert abs(backward) < 0.1


def test_pair_spreads_revert(returns: pl.DataFrame, simulated: xsim.Simulated) -> None:
    table = wide(returns, "close")
    for a, b in simulated.truth.pairs:
        spread = (table[a].log() - table[b].log()).to_numpy()
        spread = spread - spread.mean()
        phi = (spread[1:] @ spread[:-1]) / (spread[:-1] @ spread[:-1])
        assert 0.85 < phi < 0.96  # planted 0.917
        assert 0.02 < spread.std() < 0.06


def test_volatility_clusters(returns: pl.DataFrame) -> None:
    table = wide(returns, "r").drop_nulls().drop("date")
    size = table.mean_horizontal().abs().to_numpy()
    assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.05
    kurtosis = float((pl.Series(size) ** 4).mean() / (pl.Series(size) ** 2).mean() ** 2)
    assert kurtosis > 3.5
