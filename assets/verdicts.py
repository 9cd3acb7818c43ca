"""The newest verdict of a check.

What does not belong here: what follows from it (`retraining.py`, `live_skill.py`).
"""

from __future__ import annotations

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status


def newest_verdict(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
    """Return the newest evaluation of a check.

    A check that is being evaluated has no verdict yet: until then the one before counts.

    Parameters
    ----------
    instance
        The Dagster instance.
    check
        The check.

    Returns
    -------
    AssetCheckEvaluation or None
        None if it was never evaluated.
    """
    records = instance.event_log_storage.get_asset_check_execution_history(
        check, limit=1, status={Status.SUCCEEDED, Status.FAILED}
    )
    for record in records:
        event = record.event.dagster_event if record.event is not None else None
        if event is not None and event.asset_check_evaluation_data is not None:
            return event.asset_check_evaluation_data
    return None
