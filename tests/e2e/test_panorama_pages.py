"""The panorama in a real, headless browser: its assets through Dagster, its pages light and dark."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inprocess import Lineage, checks_of, metadata_of, open_lineage

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

PAGES = ("coverage.html", "staleness.html", "timelines/XNYS_IBM.html")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lineage, Any]]:
    """Three sessions of the embedded data, and all views of them."""
    with open_lineage(tmp_path_factory.mktemp("panorama")) as lineage:
        header = "symbol,date,open,high,low,close,volume\n"
        rows = (f"IBM,2018-11-{day},117,118,116,117.{day},5000\n" for day in (19, 21))
        lineage.drop(header + "".join(rows), "XNYS/ibm.csv")
        lineage.quotes("2018-11-19|XNYS", "2018-11-21|XNYS")
        lineage.run("landing_files", checks=False)
        yield lineage, lineage.run("coverage", "source_staleness", "instrument_timelines")


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    from scripts.screenshots import open_page

    with sync_playwright() as playwright:
        yield open_page(playwright, 1000, 900)


def test_the_assets_show_pictures_and_lead_to_their_pages(made: tuple[Lineage, Any]) -> None:
    lineage, result = made
    shown = metadata_of(result, "coverage")
    assert shown["heat_map"].startswith("![coverage](data:image/png;base64,")
    assert Path(shown["page"]) == lineage.path / "reports" / "coverage.html"
    assert "2018-11-20" in shown["gaps"]
    assert "data:image/png" in metadata_of(result, "source_staleness")["ages"]
    assert "XNYS_IBM.html" in metadata_of(result, "instrument_timelines")["pages"]
    assert "source_staleness/no_source_is_late" in checks_of(result)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_drawn_in_the_readers_colours_and_fits(
    made: tuple[Lineage, Any], page: Any, name: str, scheme: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.emulate_media(color_scheme=scheme)
    page.goto((made[0].path / "reports" / name).as_uri())
    figures = page.locator("figure svg")
    assert figures.count() >= 1
    for i in range(figures.count()):
        box = figures.nth(i).bounding_box()
        assert box["width"] > 500
        assert box["height"] > 60
    # Text of plots has the page's own ink: bright on dark, dark on bright.
    ink = page.locator("figure svg text").first.evaluate("text => getComputedStyle(text).fill")
    brightness = sum(int(part) for part in ink.removeprefix("rgb(").removesuffix(")").split(",")[:3]) / 3
    assert (brightness > 128) is (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_labels_of_a_heat_map_do_not_overlap(made: tuple[Lineage, Any], page: Any) -> None:
    page.goto((made[0].path / "reports" / "coverage.html").as_uri())
    boxes = [text.bounding_box() for text in page.locator("figure svg text").all()]
    boxes = [box for box in boxes if box]
    assert len(boxes) > 5
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            apart = (
                one["x"] + one["width"] <= other["x"] + 1
                or other["x"] + other["width"] <= one["x"] + 1
                or one["y"] + one["height"] <= other["y"] + 3
                or other["y"] + other["height"] <= one["y"] + 3
            )
            assert apart, (one, other)
