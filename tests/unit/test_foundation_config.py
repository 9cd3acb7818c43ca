"""Families: consistent, apart, and light to import."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lim_pipelines.foundation.config import FOUNDATIONS, REAL, XSIM, FoundationConfig


def test_real_and_simulated_quotes_are_apart() -> None:
    assert set(FOUNDATIONS) == {"foundation_checkpoint", "xsim_foundation_checkpoint"}
    assert "XSIM" not in REAL.exchanges
    assert XSIM.exchanges == ("XSIM",)
    assert "commodity" not in REAL.asset_classes  # what the transfer strategy is judged on


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context": 60}, "context 60 is no multiple of patch 8"),
        ({"horizon": 5}, "horizon 5 is no multiple of patch 8"),
        ({"freqs": ("1d", "3w")}, "'3w'"),
        ({"freqs": ("1m", "1w"), "coarse": 8}, "coarse is 8.*name 1d beside minutes"),
        ({"coarse": 8, "objective": "masked"}, "masked reads one frequency"),
        ({"mix": {"candidates": ("XNAS//1d",)}}, "candidates"),
        ({"steps": 3}, "Extra inputs are not permitted"),
        ({"size": "huge"}, "tiny"),
        ({"exchanges": ()}, "at least 1"),
    ],
)
def test_a_bad_configuration_says_what_is_wrong(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FoundationConfig.model_validate(REAL.model_dump() | change)


def test_what_assets_import_is_light() -> None:
    code = (
        "import sys, lim_pipelines.foundation.config, lim_pipelines.foundation.checkpoint;"
        "print([m for m in ('torch', 'lightning', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_torch_until_something_must_be_trained() -> None:
    code = "import sys, lim_pipelines.foundation.train; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
