"""What another machine may change of a choice or a measurement, and what only a leak does."""

from __future__ import annotations

import pytest

from lim_pipelines.audit.compare import alike
from lim_pipelines.audit.decisions import LAST_DIGIT
from lim_pipelines.foundation.evidence import evidence_of
from lim_pipelines.paired import Gain


def measured(mean: float, moments: int = 12, low: float = 0.01) -> dict[str, object]:
    gain = Gain(mean, low, 0.03, pairs=30, moments=moments)
    said = evidence_of(gain, {"XSIM": gain}, {"XSIM": (1.0, 1.0 - mean)}, "2018-01-02", "2018-02-01")
    return said.model_dump()


@pytest.mark.parametrize("other", [0.020001, 0.019999, 0.02 + 1e-9])
def test_a_last_digit_is_no_leak(other: float) -> None:
    assert alike(measured(0.02), measured(other), smallest=LAST_DIGIT)


@pytest.mark.parametrize(
    "other", [measured(0.02001), measured(0.02, moments=13), measured(0.02, low=float("nan"))]
)
def test_other_sessions_or_bars_are(other: dict[str, object]) -> None:
    assert not alike(measured(0.02), other, smallest=LAST_DIGIT)


def test_numbers_that_were_not_rounded_are_compared_by_their_size() -> None:
    assert alike({"p": (1e-9,)}, {"p": (1e-9 * (1 + 1e-9),)})
    assert not alike({"p": (1e-9,)}, {"p": (2e-9,)})
