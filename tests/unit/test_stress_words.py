"""What is said of stress tests, in words and in plots."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from lim_pipelines.evaluate.seeds import Estimate
from lim_pipelines.reports.robustness_charts import dots
from lim_pipelines.stress.verdict import of_difference, of_strategy


@pytest.mark.parametrize(
    ("sharpe", "plain", "gap", "sessions", "word"),
    [
        (0.5, 1.0, (-0.5, -0.8, -0.2), 100, "worse"),
        (-0.5, 1.0, (-1.5, -1.8, -0.2), 100, "worse; loses money"),
        (1.5, 1.0, (0.5, 0.2, 0.8), 100, "better"),
        (0.9, 1.0, (-0.1, -0.4, 0.3), 100, "nothing measurable"),
        (0.999, 1.0, (-0.001, -0.002, -0.0005), 100, "nothing measurable"),
        (1.0, 1.0, (0.0, 0.0, 0.0), 20, "no change"),
        (0.5, 1.0, (-0.5, -0.8, -0.2), 59, "too short"),
        (-0.1, 1.0, (-0.5, math.nan, math.nan), 100, "too short; loses money"),
        (math.nan, 1.0, (math.nan, math.nan, math.nan), 100, "nothing held"),
        (math.nan, 1.0, (math.nan, math.nan, math.nan), 1, "too short"),
    ],
)
def test_scenarios_in_words(
    sharpe: float, plain: float, gap: tuple[float, float, float], sessions: int, word: str
) -> None:
    assert of_difference(sharpe, plain, Estimate(*gap), sessions) == word


def row(family: str, scenario: str, sharpe: float, verdict: str, **more: Any) -> dict[str, Any]:
    ends = {"plain_sharpe": 1.0, "difference": sharpe - 1.0, "difference_low": -2.0, "difference_high": -0.1}
    return {"family": family, "scenario": scenario, "net_sharpe": sharpe, "verdict": verdict, **ends, **more}


def test_a_strategy_in_words() -> None:
    rows = pl.DataFrame(
        [
            row("costs and fills", "costs x2", 0.4, "worse"),
            row("costs and fills", "costs x5", -0.7, "worse; loses money"),
            row("worse data", "data a session late", 0.4, "worse"),
            row("worse data", "20 % of bars missing", 0.9, "nothing measurable"),
            row("portfolio settings", "gross 1 to 0.5", 0.5, "worse"),
            row("portfolio settings", "gross 1 to 1.5", 0.5, "too short"),
            row("regimes", "low volatility", -1.0, "worse"),
        ]
    )
    words = of_strategy(rows, 1.0, 250, 0.25, simulated=False)
    assert words.startswith(
        "Costs x5 make it lose (Sharpe -0.70 instead of 1.00); loses 60% of its Sharpe ratio"
    )
    assert "with data a session late (-2.00 to -0.10)" in words
    assert "hangs on a setting: 50% of its Sharpe ratio with gross 1 to 0.5" in words
    assert (
        "of 6 scenarios of costs, data and settings 1 change nothing measurable, 1 rest on too few" in words
    )
    assert "measurably worse than on other sessions in low volatility" in words
    assert words.endswith("25% end with a loss.")
    assert "costs x2" not in words
    assert of_strategy(rows, -0.3, 250, 0.8, simulated=True).startswith(
        "SIMULATED market, no real result. Loses money"
    )
    same = rows.with_columns(verdict=pl.lit("no change"))
    assert "6 change nothing measurable (6 nothing at all)" in of_strategy(same, 1.0, 250, 0.25, False)


def test_of_a_short_or_empty_record_nothing_is_said() -> None:
    rows = pl.DataFrame([row("costs and fills", "costs x5", 0.9, "too short")])
    assert of_strategy(rows, 9.0, 3, 0.0, False) == "Too short to say anything: 3 sessions."
    words = of_strategy(rows, math.nan, 250, 0.0, True)
    assert words == "SIMULATED market, no real result. Held nothing, so there is nothing to break."


def test_a_plot_does_not_blow_up_dust() -> None:
    plain = {"plain_sharpe": 5.708, "difference_low": None, "difference_high": None}
    rows = [row("portfolio settings", "a", 5.7082, "too short", **plain)]
    low, high = dots(rows)["layout"]["xaxis"]["range"]
    assert high - low == pytest.approx(0.2)
    assert low < 5.708 < 5.7082 < high
    wide = [row("portfolio settings", "a", 5.7082, "worse", **(plain | {"plain_sharpe": 4.0}))]
    assert "range" not in dots(wide)["layout"]["xaxis"]
    assert dots([])["data"][0]["x"] == []
