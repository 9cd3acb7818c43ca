from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lim_pipelines.finetune.settings import DirectionalLimits
from lim_pipelines.portfolio.sizing import directional_weight

SETTINGS = DirectionalLimits(vol_target=0.15, max_leverage=1.0)


def weight(forecast: float, scale: float, volatility: float, settings: DirectionalLimits = SETTINGS) -> float:
    frame = pl.DataFrame({"forecast": [forecast], "forecast_scale": [scale], "volatility": [volatility]})
    return float(frame.select(directional_weight(settings)).item())


def test_a_forecast_of_one_scale_at_twice_the_target_volatility() -> None:
    volatility = 0.30 / math.sqrt(252)
    assert weight(0.01, 0.01, volatility) == pytest.approx(math.tanh(1) * 0.5)
    assert weight(-0.01, 0.01, volatility) == pytest.approx(-math.tanh(1) * 0.5)
    assert weight(1.0, 0.01, 1e-4) == pytest.approx(1.0)  # calm markets are not levered beyond the limit
    assert weight(0.01, 0.0, volatility) == 0.0  # a model that never varies says nothing


@given(st.floats(-1, 1), st.floats(1e-6, 1), st.floats(1e-4, 1))
def test_weights_keep_their_limits_and_the_forecasts_sign(
    forecast: float, scale: float, volatility: float
) -> None:
    got = weight(forecast, scale, volatility)
    assert abs(got) <= 1.0
    assert got * forecast >= 0
    assert abs(got) * volatility * math.sqrt(252) <= 0.15 * (1 + 1e-9)
