"""Drift: quiet on more of the same, loud on a change, blind to the mix of instruments."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from lim_pipelines.exchanges import sessions
from lim_pipelines.simulate import xsim
from lim_pipelines.validate.drift import drift, population_stability_index

REFERENCE = (date(2014, 1, 2), date(2017, 12, 29))
GRID = sessions("XSIM", REFERENCE[0], date(2018, 12, 31))


def bars(seed: int, recent_scale: float = 1.0, instruments: int = 8) -> pl.DataFrame:
    """Bars of instruments that share half of their variance, with a change of volatility in 2018."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((GRID.height, 1))
    returns = 0.01 * (common + rng.standard_normal((GRID.height, instruments))) / np.sqrt(2)
    returns[(GRID["date"] > REFERENCE[1]).to_numpy()] *= recent_scale
    close = 100 * np.exp(returns.cumsum(axis=0))
    return pl.concat(
        GRID.select(
            "date",
            ts="close",
            exchange=pl.lit("XSIM"),
            instrument_id=pl.lit(f"XSIM:{i}"),
            freq=pl.lit("1d"),
            price_type=pl.lit("trade"),
            close=pl.Series(close[:, i]),
            ex_factor=pl.lit(1.0),
        )
        for i in range(instruments)
    )


def months(frame: pl.DataFrame) -> list[bool]:
    found = [
        drift(frame, REFERENCE, (date(2018, month, 1), date(2018, month, 28)))[0] for month in range(1, 13)
    ]
    return [one.drifted for one in found]


def test_more_of_the_same_is_quiet() -> None:
    alarms = sum(sum(months(bars(seed))) for seed in range(5))
    assert alarms <= 3  # of 60 checks, with about 50 stretches in the reference


def test_twice_the_volatility_is_loud() -> None:
    alarms = sum(sum(months(bars(seed, recent_scale=2))) for seed in range(3))
    assert alarms >= 33  # of 36


def test_the_simulated_exchange_is_stationary() -> None:
    daily = (
        xsim.simulate()
        .bars.filter(pl.col("freq") == "1d")
        .with_columns(
            exchange=pl.lit("XSIM"),
            instrument_id=pl.col("symbol"),
            price_type=pl.lit("trade"),
            ex_factor=pl.lit(1.0),
        )
    )
    assert sum(months(daily)) <= 1


def test_a_split_is_no_drift() -> None:
    frame = bars(1)
    split = pl.col("date") >= date(2018, 6, 1)
    halved = frame.with_columns(
        close=pl.when(split).then(pl.col("close") / 2).otherwise("close"),
        ex_factor=pl.when(pl.col("date") == date(2018, 6, 1)).then(0.5).otherwise(1.0),
    )
    window = (date(2018, 6, 1), date(2018, 6, 28))
    before, after = drift(frame, REFERENCE, window)[0], drift(halved, REFERENCE, window)[0]
    assert after.psi == pytest.approx(before.psi)
    assert (after.reference_sessions, after.recent_sessions) == (1006, 20)


def test_without_enough_data_there_is_no_answer() -> None:
    assert drift(bars(1), REFERENCE, (date(2020, 1, 1), date(2020, 2, 1))) == []
    assert drift(bars(1).head(0), REFERENCE, REFERENCE) == []


def test_index_by_hand() -> None:
    sample = np.arange(1000.0)
    assert population_stability_index(sample, sample) == 0
    top = population_stability_index(sample, np.full(1000, 999.0))
    p, q, rest = 100.5 / 1005, 1000.5 / 1005, 0.5 / 1005
    assert top == pytest.approx((q - p) * np.log(q / p) + 9 * (rest - p) * np.log(rest / p))
