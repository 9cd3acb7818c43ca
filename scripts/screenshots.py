"""Take the docs' pictures of a running Dagster UI: `python scripts/screenshots.py [address [held|tour]]`.

Needs a Chromium on the PATH, `make demo` before and `make ui` running, and the same LIM_HOME as these; for
`held` a home made by `scripts/held_home.py` instead, for `tour` one in which docs/operators-tour.md was
followed up to the moment at which a session is held. The pictures go to docs/images, each below 300 kB. What
does not belong here: assertions (`test_ui.py`, `test_panorama_pages.py`, `test_red_check.py` in
`tests/e2e`, which look at the same pages).
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resources.home import Home

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page, Playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SETTLE_MS = 2500
"""The UI draws with transitions and polls; no event says that it is done."""

STATUSES_MS = 180_000
"""Statuses of hundreds of partitions are counted when the graph is opened first."""


def open_page(playwright: Playwright, width: int = 1600, height: int = 900) -> Page:
    """Open a page in the system's Chromium, which playwright does not bring."""
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    return browser.new_page(viewport={"width": width, "height": height})


def visit(page: Page, address: str) -> None:
    """Go to an address and let it settle."""
    page.goto(address)
    page.wait_for_load_state("networkidle", timeout=STATUSES_MS)
    page.wait_for_timeout(SETTLE_MS)


def graph(page: Page, base: str) -> FloatRect:
    """Show the asset graph, a box a group; return where on the page it is drawn.

    With the groups expanded (Alt+E) it has a hundred boxes, which nobody can read in a picture.
    """
    visit(page, f"{base}/asset-groups")
    page.locator("svg foreignObject").first.wait_for()
    page.get_by_text("fetching statuses").last.wait_for(state="hidden", timeout=STATUSES_MS)
    page.wait_for_timeout(SETTLE_MS)
    boxes = [box for node in page.locator("svg foreignObject").all() if (box := node.bounding_box())]
    left, top = min(box["x"] for box in boxes) - 12, min(box["y"] for box in boxes) - 12
    right = max(box["x"] + box["width"] for box in boxes) + 12
    bottom = max(box["y"] + box["height"] for box in boxes) + 12
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def partitions(page: Page, base: str, asset: str = "validated_bars", dates: str = "") -> None:
    """Show the partitions of an asset, by date and exchange."""
    visit(page, f"{base}/assets/{asset}?view=partitions")
    if dates:
        page.get_by_role("textbox").first.fill(dates)
        page.keyboard.press("Enter")
        page.wait_for_timeout(SETTLE_MS)


def check(page: Page, base: str, name: str, asset: str = "validated_bars") -> None:
    """Show the newest evaluation of a check."""
    visit(page, f"{base}/assets/{asset}?view=checks&checkDetail={name}")
    page.get_by_text("About", exact=True).first.wait_for()
    page.wait_for_timeout(SETTLE_MS)


def show_markdown(page: Page, entry: str) -> None:
    """Open the Markdown of an entry of the metadata that is shown."""
    page.locator(f"tr:has-text('{entry}'):has-text('[Show Markdown]')").last.get_by_text(
        "[Show Markdown]"
    ).click()
    page.wait_for_timeout(SETTLE_MS)


def plot(page: Page, base: str, asset: str = "wti_transfer_backtest", entry: str = "equity") -> None:
    """Show a plot in an asset's newest metadata."""
    visit(page, f"{base}/assets/{asset}?view=events")
    show_markdown(page, entry)
    page.locator("img").first.wait_for()


def reports(page: Page, folder: Path) -> None:
    """Take the top of the pages of the panorama and of the Data Docs."""
    timelines = sorted((folder / "timelines").glob("*.html"), key=lambda path: path.stat().st_size)
    page.set_viewport_size({"width": 1000, "height": 1250})
    for name, path in (
        ("coverage", folder / "coverage.html"),
        ("timeline", timelines[-1]),
        ("data_docs", folder / "data_docs" / "validated_bars.html"),
    ):
        visit(page, path.as_uri())
        save(page, name)


def results(page: Page, folder: Path) -> None:
    """Take the leaderboard, two of the three tests, the first strategy's report; this on a phone, too."""
    page.set_viewport_size({"width": 1280, "height": 1250})
    visit(page, (folder / "leaderboard.html").as_uri())
    save(page, "leaderboard")
    for name, file in (("universality", "universality"), ("robustness", "robustness-xsim_long_short")):
        visit(page, (folder / f"{file}.html").as_uri())
        page.locator(".chart .main-svg").first.wait_for()
        save(page, name)
    visit(page, (folder / "leaderboard.html").as_uri())
    page.locator("main a").first.click()
    page.locator(".chart .main-svg").first.wait_for()
    save(page, "report")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 375, "height": 1250})
    page.wait_for_timeout(SETTLE_MS)
    save(page, "report_phone")


def save(page: Page, name: str, clip: FloatRect | None = None) -> None:
    """Write a picture with a palette of 256 colours, which is a third of the size."""
    from PIL import Image

    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    picture = Image.open(io.BytesIO(page.screenshot(clip=clip)))
    picture.convert("RGB").quantize(256).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main(base: str) -> None:
    """Take all pictures."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        page = open_page(playwright)
        page.set_viewport_size({"width": 2000, "height": 1400})
        save(page, "graph", graph(page, base))
        page.set_viewport_size({"width": 1500, "height": 850})
        partitions(page, base, dates="[2018-10-01...2018-12-31]")
        save(page, "partitions")
        check(page, base, "validated_bars", "data_docs")
        save(page, "check")
        plot(page, base)
        save(page, "plot")
        reports(page, Home().reports)
        results(page, Home().reports)


def held(base: str) -> None:
    """Take the pictures of a partition that is held."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        page = open_page(playwright)
        page.set_viewport_size({"width": 1500, "height": 1000})
        check(page, base, name="published")
        save(page, "red_check")
        show_markdown(page, "how_to_release")
        save(page, "release")
        visit(page, f"{base}/assets/validated_bars?view=partitions&partition=2018-11-20%7CXNYS")
        page.get_by_text("not_published", exact=True).scroll_into_view_if_needed()
        save(page, "held_partition")


def ticks(page: Page, base: str, sensor: str) -> None:
    """Show the newest ticks of a sensor."""
    visit(page, f"{base}/locations/lim_pipelines/sensors/{sensor}")
    page.get_by_text("View logs").first.wait_for(timeout=STATUSES_MS)
    page.wait_for_timeout(SETTLE_MS)


def tour(base: str) -> None:
    """Take the pictures of the operator's tour."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        page = open_page(playwright, 1500, 720)
        visit(page, f"{base}/automation")
        page.get_by_text("Standard sensor").first.wait_for()
        page.wait_for_timeout(SETTLE_MS)
        save(page, "tour_automation")
        check(page, base, name="published")
        save(page, "tour_held")
        partitions(page, base, dates="[2018-12-24...2019-01-10]")
        save(page, "tour_partitions")
        check(page, base, name="nothing_is_stale", asset="stale_results")
        save(page, "tour_stale")
        page.set_viewport_size({"width": 1500, "height": 800})
        visit(page, f"{base}/assets/retraining_plan?view=events")
        save(page, "tour_retraining_plan")
        for sensor in ("landing", "backfill"):
            ticks(page, base, f"{sensor}_sensor")
            save(page, f"tour_{sensor}_ticks")
        ticks(page, base, "retraining_sensor")
        # The first is the newest tick's badge, the second the status in the first line, the third its link.
        page.get_by_text("0 runs requested").nth(2).click()
        page.get_by_text("Skip reason").wait_for()
        save(page, "tour_retraining_tick")


if __name__ == "__main__":
    address = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://localhost:3000"
    {"held": held, "tour": tour}.get("".join(sys.argv[2:]), main)(address)
