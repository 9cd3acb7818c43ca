"""Champions: the newest checkpoint of every family, judged against the one in use; a page a family.

What does not belong here: judging and the log (`lim_pipelines/foundation`: `promotion.py`, `registry.py`).
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import OWNERS, image, table_metadata
from assets.partitions import whole
from assets.requests import CAUSE, TAG, run_key, tries
from lim_pipelines import clock, drawing
from lim_pipelines.foundation import promotion, registry
from lim_pipelines.foundation.champion_page import champion_page, comparison_figure
from lim_pipelines.foundation.config import CODE_VERSION, FOUNDATIONS
from resources.home import Home


@dg.asset(
    deps=whole(*FOUNDATIONS),
    group_name="foundation",
    owners=OWNERS,
    kinds={"pytorch", "html"},
    code_version=CODE_VERSION,
    description="Which checkpoint of each family is in use: the newest is promoted unless it is worse than"
    " the champion on windows that neither was trained on. For use now; walk-forward tests never take it.",
)
def foundation_champion(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
    """Judge what is new, and write the pages."""
    lake, rows = home.lake(), []
    metadata: dict[str, Any] = {}
    for family in FOUNDATIONS:
        judged = promotion.judge(lake, home.models, home.windows, family, context.log.info)
        champion = registry.champion_of(list(judged.log))
        if champion is None:
            continue
        page = home.reports / f"champion_{family}.html"
        drawing.write_page(page, champion_page(home.models, family, judged.log, clock.now()))
        newest = judged.log[-1]
        rows.append((family, str(champion.cutoff), champion.digest[:16], newest.event, newest.why, str(page)))
        if newest.evidence is not None:
            drawn = drawing.png(comparison_figure(newest.evidence))
            metadata[f"comparison_{family}"] = image(drawn, f"champion against challenger, {family}")
    columns = ["family", "champion", "digest", "last decision", "why", "page"]
    table = pl.DataFrame(rows, schema=columns, orient="row")
    digests = json.dumps(sorted(row[:3] for row in rows))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(hashlib.sha256(digests.encode()).hexdigest()),
        metadata={"dagster/row_count": table.height, "champions": table_metadata(table), **metadata},
    )


@dg.sensor(
    minimum_interval_seconds=60,
    target=dg.AssetSelection.assets(foundation_champion),
    description="Has a new checkpoint judged against the champion of its family. A failed run is asked for"
    " again.",
)
def champion_sensor(
    context: dg.SensorEvaluationContext, home: Home
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a judgement of what nobody has judged yet."""
    due = {family: promotion.is_due(home.models, family) for family in FOUNDATIONS}
    new = {family: named for family, named in due.items() if named is not None}
    if not new:
        yield dg.SkipReason("every family's newest checkpoint is judged already, or there is none")
        return
    told = "; ".join(f"{family}: {named}" for family, named in new.items())
    ask = f"champion:{told}"
    past = tries(context.instance, ask)
    if past.succeeded or not past.due:
        state = "a run has judged that" if past.succeeded else "is at work, or rests before it is tried again"
        yield dg.SkipReason(f"{told}: {state}")
        return
    tags = {TAG: ask, CAUSE: f"new checkpoints: {told}"[:200]}
    yield dg.RunRequest(run_key=run_key(ask, past.runs), tags=tags)


ASSETS = [foundation_champion]
SENSORS = [champion_sensor]
