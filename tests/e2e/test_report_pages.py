"""A report and the leaderboard in a real browser: plots are drawn, nothing is fetched, a phone shows all."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit")]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="no `chromium` on the PATH: apt-get install it"
    ),
]

PAGES = ("small.html", "leaderboard.html")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from test_report_page import board_page, page, spec

    folder = tmp_path_factory.mktemp("reports")
    for name, html in zip(PAGES, (page(spec()), board_page()), strict=True):
        (folder / name).write_text(html, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    from scripts.screenshots import open_page

    with sync_playwright() as playwright:
        yield open_page(playwright).context.browser


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_a_page_draws_its_plots_fits_and_asks_nobody(
    reports: Path, browser: Any, name: str, width: int, scheme: str
) -> None:
    phone = width < 500
    page = browser.new_page(
        viewport={"width": width, "height": 800}, color_scheme=scheme, is_mobile=phone, has_touch=phone
    )
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((reports / name).as_uri())
    charts = page.locator(".chart")
    assert charts.count() >= 6
    for i in range(charts.count()):
        drawn = charts.nth(i).locator(".main-svg").first
        drawn.wait_for()
        assert drawn.locator("path").count() > 0
        assert drawn.bounding_box()["width"] > 0.8 * min(width, 960) - 40
    assert said == []
    assert asked == [(reports / name).as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ink = page.locator(".chart .xtick text").first.evaluate("text => getComputedStyle(text).fill")
    brightness = sum(int(part) for part in ink.removeprefix("rgb(").removesuffix(")").split(",")[:3]) / 3
    assert (brightness > 128) is (scheme == "dark")
    page.close()


def test_a_printed_page_is_light_and_its_plots_fit_the_paper(reports: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    page.goto((reports / PAGES[0]).as_uri())
    page.locator(".chart .main-svg").first.wait_for()
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    widths = page.locator(".chart .main-svg").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().width)"
    )
    assert max(widths) <= 700  # A4 less its margins, at 96 points an inch
    assert page.locator("details:not([open])").count() == 0
    page.close()
