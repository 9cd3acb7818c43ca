"""From facts that change to the sessions whose model inputs are built again.

What does not belong here: which sessions those are (`lim_pipelines/inputs/news.py`).
"""

import json
import zlib
from dataclasses import asdict, dataclass
from datetime import date

import dagster as dg

from assets.arrivals import import_archive, load_quotes
from assets.partitions import FIRST_SESSION
from assets.requests import TAG, run_key, tries
from lim_pipelines.inputs.news import Stale, learnt, relearnt, stale, versions
from lim_pipelines.modalities.store import NODES
from resources.home import Home


@dataclass(frozen=True)
class Ask:
    """Inputs of an exchange that are to be built again and are not yet.

    Parameters
    ----------
    exchange
        Market identifier.
    first, last
        Sessions, both included, ISO 8601; both empty for the archive.
    key
        What it is remembered by.
    """

    exchange: str
    first: str
    last: str
    key: str

    def request(self, runs: int) -> dg.RunRequest:
        """Return the request for its next run, after some runs that failed."""
        if not self.first:
            return dg.RunRequest(
                run_key=run_key(self.key, runs),
                job_name=import_archive.name,
                partition_key=self.exchange,
                asset_selection=[dg.AssetKey("archive_inputs")],
                tags={TAG: self.key},
            )
        return dg.RunRequest(
            run_key=run_key(self.key, runs),
            job_name=load_quotes.name,
            asset_selection=[dg.AssetKey("model_inputs")],
            tags={
                TAG: self.key,
                "dagster/asset_partition_range_start": f"{self.first}|{self.exchange}",
                "dagster/asset_partition_range_end": f"{self.last}|{self.exchange}",
            },
        )


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
    kept, requests = [], []
    for ask in (Ask(**entry) for entry in memory.get("asks", [])):
        past = tries(context.instance, ask.key)
        if past.succeeded:
            continue
        kept.append(ask)
        if past.due:
            requests.append(ask.request(past.runs))
    news = stale(lake, seen, now, relearnt(memory.get("nodes", {}), nodes))
    marks = {**now, NODES.name: zlib.crc32(json.dumps(nodes).encode())}
    fresh = [ask for found in news for ask in _asks(found, marks)]
    requests += [ask.request(0) for ask in fresh]
    waiting = f"; {len(kept)} builds are not finished" if kept else ""
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else f"nothing that inputs are read from has changed{waiting}",
        cursor=json.dumps({"seen": now, "nodes": nodes, "asks": [asdict(ask) for ask in (*kept, *fresh)]}),
    )


def _asks(found: Stale, now: dict[str, int]) -> list[Ask]:
    """Cut the sessions at the first daily partition."""
    # Known by what it is about and the versions that brought it: the same news never asks twice.
    key = f"inputs:{found.exchange}:{found.first}..{found.last}@" + ",".join(
        f"{name}{now[name]}" for name in found.reason.split(", ")
    )
    asks = []
    if found.first < FIRST_SESSION:
        asks.append(Ask(found.exchange, "", "", f"{key}:archive"))
    if found.last >= FIRST_SESSION:
        start: date = max(found.first, FIRST_SESSION)
        asks.append(Ask(found.exchange, str(start), str(found.last), key))
    return asks
