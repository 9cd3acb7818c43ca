"""A soak in small: files late, twice, touched, corrected, through the sensors: each content once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from benchmarks.soak import Platform, execute, listed, soak
from benchmarks.soak_files import FOLDERS, KINDS, Vendors
from benchmarks.soak_report import differences

pytestmark = pytest.mark.slow


def test_every_content_is_read_and_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, dagster_home = tmp_path / "home", tmp_path / "dagster"
    dagster_home.mkdir()
    (dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("LIM_HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    # A run takes seconds, twice as many with checks: one feed with a mapping, one folder of csv files.
    monkeypatch.delitem(FOLDERS, "XNYS")
    listed(home)
    vendors = Vendors(home / "landing", np.random.default_rng(5))
    with dg.DagsterInstance.get() as instance:
        platform = Platform(home, instance, partial(execute, checks=frozenset()))
        samples = list(soak(platform, vendors, 160, 50))
        runs = len(platform.runs)
        platform.rest()
    assert len(samples) > 2
    assert vendors.sent.keys() == {"new", "late", *KINDS}, "all that can happen has happened"
    assert differences(home, vendors, platform.read) == []
    assert len(platform.runs) == runs, "a look at what is known asks for nothing"
    assert max(sample.cursor for sample in samples) < 1000
