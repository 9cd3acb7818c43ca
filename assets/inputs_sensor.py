"""From facts that change to the sessions whose model inputs are built again.

What does not belong here: which sessions those are (`lim_pipelines/inputs/news.py`).
"""

import json
import zlib
from dataclasses import asdict

import dagster as dg

from assets.arrivals import import_archive, load_quotes
from assets.rebuilds import Rebuild, cut, unfinished
from lim_pipelines.inputs.news import Stale, learnt, relearnt, stale, versions
from lim_pipelines.modalities.store import NODES
from resources.home import Home

_DAILY, _ARCHIVE = ("model_inputs",), ("archive_inputs",)


@dg.sensor(
    minimum_interval_seconds=60,
    jobs=[load_quotes, import_archive],
    description="Facts, events, texts, links, macro series or nodes of the graph that changed: builds the"
    " model inputs of exactly the sessions again that can know of them. A failed run is asked for again.",
)
def inputs_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Ask for the inputs that are stale since the last look, and for those that failed."""
    lake, memory = home.lake(), json.loads(context.cursor or "{}")
    seen, now, nodes = memory.get("seen", {}), versions(lake), learnt(home.vectors)
    open_asks = unfinished(context.instance, (Rebuild(**entry) for entry in memory.get("asks", [])))
    kept = [ask for ask, _ in open_asks]
    requests = [_request(ask, runs) for ask, runs in open_asks if runs is not None]
    news = stale(lake, seen, now, relearnt(memory.get("nodes", {}), nodes))
    marks = {**now, NODES.name: zlib.crc32(json.dumps(nodes).encode())}
    fresh = [ask for found in news for ask in _asks(found, marks)]
    requests += [_request(ask, 0) for ask in fresh]
    waiting = f"; {len(kept)} builds are not finished" if kept else ""
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else f"nothing that inputs are read from has changed{waiting}",
        cursor=json.dumps({"seen": now, "nodes": nodes, "asks": [asdict(ask) for ask in (*kept, *fresh)]}),
    )


def _request(ask: Rebuild, runs: int) -> dg.RunRequest:
    names = [
        name.rstrip("0123456789") for name in ask.key.removesuffix(":archive").partition("@")[2].split(",")
    ]
    return ask.request(runs, _DAILY, _ARCHIVE, f"model inputs read what has changed: {', '.join(names)}")


def _asks(found: Stale, now: dict[str, int]) -> list[Rebuild]:
    # Known by what it is about and the versions that brought it: the same news never asks twice.
    key = f"inputs:{found.exchange}:{found.first}..{found.last}@" + ",".join(
        f"{name}{now[name]}" for name in found.reason.split(", ")
    )
    return cut(found.exchange, found.first, found.last, key)
