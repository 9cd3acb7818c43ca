"""The Dagster UI in a real, headless browser: the graph, the partitions, a check's badge, a plot."""

from __future__ import annotations

import shutil
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inprocess import EXCHANGES, Lineage
from webserver import local_dagster, serve

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="no `chromium` on the PATH: apt-get install it"
    ),
]

MOST_INSTIGATORS = 22
"""Schedules and sensors that may aim at one asset: its page asks the database four times for each, which was
78 % of the server's time for it (docs/operators-tour.md)."""

HEADER = "symbol,date,open,high,low,close,volume\n"


def png(width: int, height: int) -> bytes:
    """A blue rectangle."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = (b"\0" + b"\x20\x60\xc0" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a UI that shows a few materializations."""
    import dagster as dg

    from assets.catalogue import image

    folder = tmp_path_factory.mktemp("ui")
    with local_dagster(folder) as home:
        with dg.DagsterInstance.get() as instance:
            instance.add_dynamic_partitions("exchange", EXCHANGES)
            lineage = Lineage(home, instance)
            lineage.drop(HEADER + "IBM,2018-11-20,117,118,116,-117.2,5000\n", "XNYS/ibm.csv")
            lineage.quotes("2018-11-19|XNYS", "2018-11-21|XNYS", checks={"quarantine"})
            equity = {"equity": image(png(300, 200), "equity curve")}
            instance.report_runless_asset_event(
                dg.AssetMaterialization("wti_transfer_backtest", metadata=equity)
            )
        with serve() as address:
            yield address


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    from scripts.screenshots import open_page

    with sync_playwright() as playwright:
        yield open_page(playwright, 2000, 2200)


def test_the_graph_shows_the_groups_and_opened_their_assets(page: Any, base: str) -> None:
    from scripts.screenshots import graph

    # The UI draws only what the window shows.
    window = page.viewport_size
    page.set_viewport_size({**window, "height": 6000})
    drawn = graph(page, base)
    assert drawn["width"] > 800
    said = page.inner_text("body")
    for group in (
        *("foundation", "wti_transfer", "xsim_long_short", "alternative_data", "landing"),
        *("embeddings", "model_inputs", "panorama", "marts", "evaluation"),
    ):
        assert group in said
    page.keyboard.press("Alt+e")
    graph(page, base)
    said = page.inner_text("body")
    for name in ("raw_quotes", "aligned_bars", "validated_bars", "archive", "data_coverage"):
        assert name in said
    page.set_viewport_size(window)


def test_the_partitions_are_a_matrix_of_dates_and_exchanges(page: Any, base: str) -> None:
    from scripts.screenshots import partitions

    partitions(page, base, "raw_quotes", dates="[2018-11-19...2018-11-21]")
    said = page.inner_text("body")
    assert "12 Partitions Selected" in said
    assert "Materialized (3)" in said
    assert "Missing (9)" in said
    for key in ("2018-11-20", "XNAS", "XNYM", "XNYS", "XSIM"):
        assert key in said


def test_a_check_has_a_badge_and_leads_to_the_rule(page: Any, base: str) -> None:
    from scripts.screenshots import check

    check(page, base, name="quarantine")
    said = page.inner_text("body")
    assert "Checks (5)" in said
    assert "Not Evaluated" in said
    assert "1 rows were held back" in said
    assert "Rows of the run's partitions that were held back" in said


def test_a_plot_is_drawn(page: Any, base: str) -> None:
    from scripts.screenshots import plot

    plot(page, base)
    shown = page.locator("img[alt='equity curve']")
    assert shown.evaluate("image => image.complete && image.naturalWidth") == 300


def test_few_schedules_and_sensors_aim_at_an_asset(page: Any, base: str) -> None:
    """By count, never by time: how often the page asks for its partitions is the UI's affair, and a race."""
    # Its answer may come after the page is drawn.
    with page.expect_response(
        lambda one: "AssetViewDefinitionQuery" in (one.request.post_data or ""), timeout=60_000
    ) as definition:
        page.goto(f"{base}/assets/validated_bars?view=partitions")
    aimed = definition.value.json()["data"]["assetOrError"]["definition"]["targetingInstigators"]
    names = {one["name"] for one in aimed}
    assert {"landing_sensor", "close_america_new_york", "sentinel"} <= names
    assert len(names) <= MOST_INSTIGATORS
