"""What tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from inprocess import Lineage, open_lineage

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")

# A law says nothing of time: an example takes longer where two workers share the cores.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def lineage(tmp_path: Path) -> Iterator[Lineage]:
    """A fresh home and instance for one test."""
    with open_lineage(tmp_path) as fresh:
        yield fresh
