"""The trainer: runs a training entry point in a process of its own and relays what it reports.

What does not belong here: training (`lim_pipelines/foundation`, `lim_pipelines/finetune`). Torch and
Lightning take seconds to import and gigabytes to run; the code location never loads them.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterPipesExecutionError

WATCH_SECONDS = 30.0
"""Seconds between two looks at a training that runs."""

Watched = Callable[[], Mapping[str, Any]]


class Trainer(dg.ConfigurableResource[Any]):
    """Runs training entry points on this machine."""

    def run(
        self,
        context: dg.AssetExecutionContext,
        module: str,
        job: dict[str, Any],
        watched: Watched | None = None,
    ) -> list[dict[str, Any]]:
        """Run `python -m module` through Dagster Pipes.

        Parameters
        ----------
        context
            The asset's context; the process logs into its run.
        module
            Entry point, e.g. `lim_pipelines.foundation.train`.
        job
            What to train; JSON, handed over as Pipes extras.
        watched
            Says, as metadata, how far the training is; empty where it has nothing to say. While the process
            runs, it is asked every `WATCH_SECONDS` and answers with an observation of the asset.

        Returns
        -------
        list of dict
            What the process reported, one entry a cutoff.

        Raises
        ------
        dagster.Failure
            The process failed; says of what, where the process could still say it. Its log is in the run.
        dagster.DagsterExecutionInterruptedError
            The run was cancelled.
        """
        with _observing(context, watched):
            try:
                completed = dg.PipesSubprocessClient().run(
                    context=context, command=[sys.executable, "-m", module], extras=job
                )
            except DagsterPipesExecutionError as error:
                # From nothing: alerts tell the cause, which would be an exit code.
                raise dg.Failure(f"{module}: {_last_error(context) or error}") from None
        messages: Sequence[Any] = completed.get_custom_messages()
        return [entry for message in messages for entry in message]


def _last_error(context: dg.AssetExecutionContext) -> str:
    """Return what the process failed of: Pipes puts it into an event of the run, not into its own error."""
    step = context.get_step_execution_context().step.key
    events = context.instance.all_logs(context.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    # A run has several trainings: what another one failed of is not what this one failed of.
    errors = [entry.get_dagster_event().engine_event_data.error for entry in events if entry.step_key == step]
    said = [error.message.strip() for error in errors if error is not None]
    return said[-1] if said else ""


@contextmanager
def _observing(context: dg.AssetExecutionContext, watched: Watched | None) -> Iterator[None]:
    """Observe the asset now and then until the block ends."""
    if watched is None:
        yield
        return
    done = threading.Event()

    def look() -> None:
        while not done.wait(WATCH_SECONDS):
            try:
                metadata = watched()
                if metadata:
                    context.log_event(dg.AssetObservation(context.asset_key, metadata=metadata))
            except Exception as error:
                # A training is not given up for want of a picture of it.
                context.log.warning(f"no look at the training: {error!r}")

    thread = threading.Thread(target=look, name="watch-training", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
