"""What a modality is worth: found where it brings something, zero where it brings nothing."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from strategy_world import spec

from lim_pipelines.evaluate.ablation import by_modality

ONE = spec("directional", method="head", controls=["ridge", "without_macro"], seeds=[1, 2])
FIRST = date(2018, 1, 1)


def records(days: int, drift: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Daily net returns of the method, which earns `drift` more than the control, and their scores."""
    rng = np.random.default_rng(0)
    base = 0.01 * rng.standard_normal((days, 2))
    rows, scores = [], []
    for arm, more in (("head", drift), ("without_macro", 0.0), ("ridge", 0.0)):
        for seed in ONE.arm_seeds(arm):
            own = base[:, seed - 1] + more
            rows += [(arm, seed, FIRST + timedelta(days=i), float(r)) for i, r in enumerate(own)]
            scores += [
                (arm, seed, "sharpe", float(own.mean() / own.std(ddof=1)) * 252**0.5),
                (arm, seed, "rank_ic", more),
            ]
    daily = pl.DataFrame(rows, schema=["arm", "seed", "date", "net_return"], orient="row")
    return daily, pl.DataFrame(scores, schema=["arm", "seed", "metric", "value"], orient="row")


def test_a_modality_that_earns_is_worth_something() -> None:
    found = by_modality(ONE, *records(250, 0.002))
    assert found["modality"].to_list() == ["macro"]
    assert found["features"].to_list() == ["vix_level"]
    row = found.row(0, named=True)
    assert 0 < row["low"] < row["gain"] < row["high"]
    assert row["gain"] == pytest.approx(row["sharpe"] - row["sharpe_without"])
    assert (row["rank_ic"], row["rank_ic_without"]) == (0.002, 0.0)


def test_one_that_changes_nothing_is_worth_nothing() -> None:
    row = by_modality(ONE, *records(250, 0.0)).row(0, named=True)
    assert (row["low"], row["gain"], row["high"]) == (0.0, 0.0, 0.0)


def test_a_few_days_say_nothing_and_without_controls_there_is_no_table() -> None:
    assert np.isnan(by_modality(ONE, *records(10, 0.002))["gain"][0])
    plain = ONE.model_copy(update={"controls": ("ridge",)})
    assert by_modality(plain, *records(250, 0.002)).is_empty()
