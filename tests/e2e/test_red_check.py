"""A red check in a real, headless browser: it says which rule, how many, why, and what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a UI on a home in which a partition is held."""
    import dagster as dg

    from scripts.held_home import build

    with local_dagster(tmp_path_factory.mktemp("held")) as home:
        with dg.DagsterInstance.get() as instance:
            build(home / "landing", instance)
        with serve() as address:
            yield address


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    from scripts.screenshots import open_page

    with sync_playwright() as playwright:
        yield open_page(playwright, 1500, 1250)


def test_a_red_check_explains_itself_without_a_click(page: Any, base: str) -> None:
    from scripts.screenshots import check

    check(page, base, name="published")
    said = page.inner_text("body")
    for words in (
        "1 of 3 partitions are not published.",
        "Failed",
        "mostly_right",
        "share_failing 0.3333",  # why
        "send the file again",  # what to do about the rule
        "ohlc_order",  # what its rows fail
        "csv_drop/XNYS/2018-11-20.csv",  # the vendor's file
        "2018-11-20.csv:22",  # and line
        "/lake/quarantine",  # where they lie
        "put the corrected file into landing/",
    ):
        assert words in said, words
    # The tables fit: nothing has to be scrolled sideways to be read.
    tables = [box for table in page.locator("table").all() if (box := table.bounding_box())]
    assert len(tables) >= 3
    assert all(box["x"] + box["width"] <= page.viewport_size["width"] for box in tables)


def test_the_config_of_a_release_is_a_click_away(page: Any, base: str) -> None:
    from scripts.screenshots import check, show_markdown

    check(page, base, name="published")
    show_markdown(page, "how_to_release")
    said = page.inner_text("body")
    assert "rule: mostly_right" in said
    assert "released_by:" in said


def test_the_gate_let_the_others_of_the_range_go_on(page: Any, base: str) -> None:
    from scripts.screenshots import check

    check(page, base, name="gate")
    said = page.inner_text("body")
    assert "2 of 3 partitions with rows are published" in said
    assert "This is a blocking asset check" in said


def test_a_held_partition_says_so_on_its_own_page(page: Any, base: str) -> None:
    from scripts.screenshots import visit

    visit(page, f"{base}/assets/validated_bars?view=partitions&partition=2018-11-20%7CXNYS")
    said = page.inner_text("body")
    assert "not_published" in said
    assert "mostly_right" in said
