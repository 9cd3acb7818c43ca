"""A run that somebody has begun and that still works."""

from __future__ import annotations

import dagster as dg


def begun(instance: dg.DagsterInstance, name: str) -> dg.DagsterRun:
    """Leave a run behind that is making an asset; nothing executes it."""

    @dg.asset(name=name)
    def made() -> None: ...

    job = dg.Definitions(assets=[made]).resolve_implicit_global_asset_job_def()
    return instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, asset_selection=frozenset({made.key})
    )
