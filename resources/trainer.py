"""The trainer: runs a training entry point in a process of its own and relays what it reports.

What does not belong here: training (`lim_pipelines/foundation`, `lim_pipelines/finetune`). Torch and
Lightning take seconds to import and gigabytes to run; the code location never loads them.
"""

import sys
from collections.abc import Sequence
from typing import Any

import dagster as dg


class Trainer(dg.ConfigurableResource[Any]):
    """Runs training entry points on this machine."""

    def run(
        self, context: dg.AssetExecutionContext, module: str, job: dict[str, Any]
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

        Returns
        -------
        list of dict
            What the process reported, one entry a cutoff.

        Raises
        ------
        dagster_pipes.DagsterPipesError, dagster.DagsterExecutionInterruptedError
            The process failed; its log is in the run.
        """
        completed = dg.PipesSubprocessClient().run(
            context=context, command=[sys.executable, "-m", module], extras=job
        )
        messages: Sequence[Any] = completed.get_custom_messages()
        return [entry for message in messages for entry in message]
