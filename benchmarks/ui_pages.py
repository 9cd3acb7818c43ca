"""How long the pages of the Dagster UI take with four exchanges and five years of daily partitions.

    python -m benchmarks.ui_pages --out DIR
    python -m benchmarks.ui_pages --out DIR --storage postgres

Makes the home below DIR once (`ui_home.py`; ten minutes of processor time), then opens each page in a
headless Chromium and measures from the call of its address until what a reader came for stands there. Cold:
the first page that a webserver is asked for after it has loaded the code, by a browser that has nothing.
Warm: the same page again in the same browser. Median of `--rounds`. Beside it the processor time of the
webserver, the code server and the browser while the warm page came, which a busy machine changes less than
the wall clock, and the longest question to the server, which says where a slow page is slow. The daemon does
not run. Needs a `chromium` on the PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from benchmarks.backfill import storage
from benchmarks.ui_home import YEARS, build
from benchmarks.ui_records import BACKFILL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
CODE = "/locations/lim_pipelines"
BARS = "/assets/validated_bars?view="
LONGEST_MS = 120_000
READY = """([shown, pending]) => {
    const text = document.body.innerText;
    return shown.every(one => new RegExp(one).test(text)) && !(pending && new RegExp(pending).test(text));
}"""


@dataclass(frozen=True)
class Goal:
    """A page, and how to see that it is there.

    Parameters
    ----------
    address
        Path and query.
    shown
        Regular expressions that the text of the page must match.
    pending
        One that it must not match; none if empty.
    click
        Button whose click begins the measurement; the page's call does if empty.
    """

    address: str
    shown: tuple[str, ...]
    pending: str = ""
    click: str = ""


GOALS = {
    "timeline of runs (first page)": Goal(
        "/overview/activity/timeline", ("No runs or scheduled|load_quotes",)
    ),
    "asset graph": Goal("/asset-groups", ("Search and filter assets", "validation\\s+validation")),
    "catalog, with statuses": Goal(
        "/assets", ("aligned_bars", r"[\d,]+ partitions"), r"Loading\.\.\.|- partitions"
    ),
    "group quotes, with statuses": Goal(
        f"{CODE}/asset-groups/quotes", ("validated_bars", "Latest event"), r"Loading\.\.\."
    ),
    "asset: overview": Goal(f"{BARS}overview", (r"Latest materialization\s.*\s*\S+\|X", "Row count")),
    "asset: partitions": Goal(f"{BARS}partitions", (r"Materialized \([1-9]\d+\)",)),
    "asset: events": Goal(f"{BARS}events", ("materialized in run",)),
    "asset: checks": Goal(f"{BARS}checks", ("published", "About")),
    "runs": Goal("/runs", ("landing_sensor",)),
    "a run": Goal("/runs/{run}", ("(RUN|STEP)_[A-Z]+", "raw_quotes")),
    "a backfill": Goal(f"/runs/b/{BACKFILL}", ("% completed",)),
    "automation": Goal("/automation", ("backfill_sensor", "Standard sensor", "Scheduled At")),
    "a sensor's ticks": Goal(f"{CODE}/sensors/landing_sensor", ("View logs",)),
    "a schedule's ticks": Goal(f"{CODE}/schedules/close_america_new_york", ("View logs",)),
    "job: launchpad": Goal(f"{CODE}/jobs/load_quotes/playground", ("lake_url",)),
    "materialise: choose partitions": Goal(
        f"{BARS}overview", ("Launch (run|backfill)|partitions selected",), "", "Materialize"
    ),
    "code locations": Goal("/deployment/locations", ("Loaded",)),
    "daemons": Goal("/deployment/daemons", ("Last heartbeat", "Monitoring")),
}


@dataclass
class Taken:
    """Seconds of a page in each round, of the clock and of processors; its questions to the server."""

    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)


def measure(page: Page, base: str, goal: Goal, asked: list[tuple[float, str]]) -> tuple[float, float]:
    """Seconds until a page shows what it is for: of the clock, of processors."""
    if goal.click:
        page.goto(base + goal.address)
        page.get_by_role("button", name=goal.click).first.wait_for()
        asked.clear()
    begin, used = time.perf_counter(), processor_seconds()
    if goal.click:
        page.get_by_role("button", name=goal.click).first.click()
    else:
        page.goto(base + goal.address, wait_until="commit")
    page.wait_for_function(READY, arg=[list(goal.shown), goal.pending], polling=50, timeout=LONGEST_MS)
    return time.perf_counter() - begin, processor_seconds() - used


def round_of(browser: Browser, base: str, goal: Goal, taken: Taken) -> None:
    """Measure a page cold and warm."""
    asked: list[tuple[float, str]] = []

    def note(request: Request) -> None:
        if request.url.endswith("/graphql") or "/graphql?" in request.url:
            name = json.loads(request.post_data or "{}").get("operationName") or "?"
            asked.append((request.timing["responseEnd"] / 1000, name))

    context = browser.new_context(viewport={"width": 1500, "height": 950})
    page = context.new_page()
    page.on("requestfinished", note)
    taken.cold.append(measure(page, base, goal, asked)[0])
    page.goto("about:blank")
    asked.clear()
    warm, processor = measure(page, base, goal, asked)
    taken.warm.append(warm)
    taken.processor.append(processor)
    taken.asked += asked
    context.close()


def processor_seconds() -> float:
    """Processor time of webserver, code server and browser so far: all that this process has started."""
    import psutil

    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return float(sum(one.user + one.system for one in times))


def table(taken: dict[str, Taken]) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield "| page | cold s | warm s | processor s | longest question | s |"
    yield "|---|---|---|---|---|---|"
    for name, one in taken.items():
        seconds, question = max(one.asked, default=(0.0, "none"))
        cold, warm, processor = (statistics.median(each) for each in (one.cold, one.warm, one.processor))
        yield f"| {name} | {cold:.1f} | {warm:.1f} | {processor:.1f} | `{question}` | {seconds:.2f} |"


@contextmanager
def instance_of(out: Path, kind: str) -> Iterator[dg.DagsterInstance]:
    """Open the home's instance; make the home if it is new."""
    home = out / kind
    os.environ["DAGSTER_HOME"], os.environ["LIM_HOME"] = str(home / "dagster"), str(home)
    new = not (home / "made").exists()
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    with storage(kind, out) as fresh:
        if new:
            fresh(home / "dagster")
        with dg.DagsterInstance.get() as instance:
            if new:
                begin = time.perf_counter()
                for part in build(instance, home, YEARS):
                    print(f"{part}: {time.perf_counter() - begin:.0f} s", flush=True)
                (home / "made").touch()
            yield instance


def pages_of(instance: dg.DagsterInstance, only: str) -> dict[str, Goal]:
    """Pages whose name contains a word, with the newest run that loaded a month in its address."""
    [run] = instance.get_runs(
        dg.RunsFilter(job_name="__ASSET_JOB", statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1
    )
    return {
        name: Goal(goal.address.format(run=run.run_id), goal.shown, goal.pending, goal.click)
        for name, goal in GOALS.items()
        if only in name
    }


def main() -> None:
    """Make the home, measure the pages, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="pages whose name contains this")
    arguments = parser.parse_args()

    from playwright.sync_api import sync_playwright
    from webserver import serve

    from scripts.screenshots import open_page

    with instance_of(arguments.out, arguments.storage) as instance, sync_playwright() as playwright:
        browser: Any = open_page(playwright).context.browser
        goals = pages_of(instance, arguments.only)
        taken = {name: Taken() for name in goals}
        for _ in range(arguments.rounds):
            for name, goal in goals.items():
                with serve() as base:
                    round_of(browser, base, goal, taken[name])
                print(
                    f"{name}: {taken[name].cold[-1]:.1f} {taken[name].warm[-1]:.1f}",
                    file=sys.stderr,
                    flush=True,
                )
        print("\n".join(table(taken)))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
