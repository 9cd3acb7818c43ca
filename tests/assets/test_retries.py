"""Steps that are tried again within their run: those that read files or write the lake, and no others."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from inprocess import Lineage

from assets.retries import INPUT_OUTPUT
from lim_pipelines import ingest
from lim_pipelines.definitions import defs

LOADS = {"quotes", "derived_bars", "reference", "alternative_data", "landing", "model_inputs"}
"""Groups of assets that read vendors' files or write the lake from what others have written."""


def test_input_and_output_are_tried_again_and_training_and_deciding_are_not() -> None:
    found = {}
    for asset in defs.resolve_asset_graph().assets_defs:
        if asset.is_executable:
            for group in asset.group_names_by_key.values():
                found.setdefault(group, set()).add(asset.op.retry_policy)
    assert {group for group, policies in found.items() if policies == {INPUT_OUTPUT}} == LOADS
    assert {group for group, policies in found.items() if policies != {None}} == LOADS


def test_the_pauses_grow() -> None:
    pauses = [
        dg.RetryPolicy(3, INPUT_OUTPUT.delay, INPUT_OUTPUT.backoff).calculate_delay(i) for i in (1, 2, 3)
    ]
    assert pauses == [5, 15, 35]


def test_a_file_share_that_stumbles_costs_no_run(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, load = [], ingest.load_raw_quotes

    def stumbling(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) < 3:
            raise OSError("stale file handle")
        return load(*arguments)

    monkeypatch.setattr("lim_pipelines.ingest.load_raw_quotes", stumbling)
    assert lineage.quotes("2018-11-20|XNYS").success
    assert len(calls) == 3
