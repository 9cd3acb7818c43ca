"""Leaks are planted in small worlds; helpers of the unit tests make parts of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from model_world import ModelWorld

UNIT = str(Path(__file__).resolve().parent.parent / "unit")
if UNIT not in sys.path:
    sys.path.append(UNIT)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelWorld]:
    """The clean world of models, built once; a test that changes it takes a copy."""
    import torch
    from model_world import build

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield build(tmp_path_factory.mktemp("models") / "world")
    torch.set_num_threads(before)
