"""How long a record has to be, against the figures of the paper that says so."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from purgedcv import min_track_record_length

from lim_pipelines.evaluate.deflated_sharpe import probabilistic_sharpe
from lim_pipelines.evaluate.track_record import minimum_track_record


@pytest.mark.parametrize(("per_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_papers_worked_example(per_year: int, years: float) -> None:
    """Bailey and Lopez de Prado (2012): normal returns of an annual Sharpe ratio of 2, above 1 with 95 %."""
    root = math.sqrt(per_year)
    assert minimum_track_record(2 / root, 0.0, 3.0, 1 / root) / per_year == pytest.approx(years, abs=5e-3)


def test_the_papers_hedge_fund() -> None:
    """The same paper: two years of months, Sharpe ratio .458 a month; its shape costs seven points."""
    assert probabilistic_sharpe(0.458, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    # By its shape it has to be almost three times as long, which is longer than the two years it has.
    normal, real = minimum_track_record(0.458, 0.0, 3.0), minimum_track_record(0.458, -2.448, 10.164)
    assert normal < 24 < real
    assert (real - 1) / (normal - 1) == pytest.approx(2.602 / 1.105, rel=1e-3)


@given(
    st.floats(0.01, 0.5),
    st.floats(-1.0, 1.0),
    st.floats(3.0, 10.0),
    st.floats(-0.1, 0.4),
    st.floats(0.6, 0.99),
)
def test_a_record_of_that_length_has_that_probability(
    sharpe: float, skew: float, kurtosis: float, benchmark: float, confidence: float
) -> None:
    needed = minimum_track_record(sharpe, skew, kurtosis, benchmark, confidence)
    if sharpe - benchmark < 1e-3:
        assert needed == math.inf or needed > 1
        return
    assert max(2, math.ceil(needed)) == min_track_record_length(
        sharpe, benchmark, 1.0 - confidence, skew, kurtosis
    )
    days = max(2, math.ceil(needed))
    assert probabilistic_sharpe(sharpe, days, skew, kurtosis, benchmark) >= confidence - 1e-9
    if days > 2:
        assert probabilistic_sharpe(sharpe, days - 1, skew, kurtosis, benchmark) < confidence


def test_what_is_no_better_never_gets_there() -> None:
    assert minimum_track_record(0.1, 0.0, 3.0, 0.1) == math.inf
    with pytest.raises(ValueError, match=r"above 0\.5"):
        minimum_track_record(0.1, 0.0, 3.0, confidence=0.4)
