"""Entry point: train a list of cutoffs, each from the one before it (paper, section 6.2: rolling training).

    python -m lim_pipelines.foundation.train                    under Dagster Pipes; the job comes as extras
    python -m lim_pipelines.foundation.train --job job.json     anywhere else; results go to stdout as JSON

What does not belong here: one checkpoint (`run.py`), the loop (`pretrain.py`), reading (`store/`). torch and
Lightning are imported only when something must be trained: a run that finds everything done takes a second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lim_pipelines.foundation import checkpoint, continual
from lim_pipelines.foundation.config import CODE_VERSION, FoundationConfig
from lim_pipelines.foundation.processes import barrier, rank
from lim_pipelines.foundation.run import train_one
from lim_pipelines.foundation.store import shown
from lim_pipelines.lake import Lake


class Job(BaseModel):
    """What to train.

    Parameters
    ----------
    lake, models, windows
        Roots of the lake, of the checkpoints and of the window store, which is brought to each cutoff.
    family
        Name of the family; that of `config`.
    cutoffs
        Cutoffs to train; done in order of time.
    config
        The family's configuration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lake: str
    models: str
    windows: str
    family: str
    cutoffs: tuple[date, ...] = Field(min_length=1)
    config: FoundationConfig

    @model_validator(mode="after")
    def _one_family(self) -> Job:
        if self.family != self.config.name:
            raise ValueError(f"family {self.family!r} with the configuration of {self.config.name!r}")
        return self


class CutoffResult(BaseModel):
    """What became of one cutoff.

    Parameters
    ----------
    cutoff
        The cutoff.
    digest
        Input digest of its checkpoint: the data version.
    folder
        Where it lies.
    reused
        Whether the checkpoint was there already.
    parent
        Input digest of the checkpoint it went on from; None for the first.
    steps, seconds
        Optimiser steps, and the wall time of this call.
    metrics
        As in the checkpoint's meta.
    """

    cutoff: date
    digest: str
    folder: str
    reused: bool
    parent: str | None
    steps: int
    seconds: float
    metrics: dict[str, float]


def train_cutoffs(job: Job, say: Callable[[str], None]) -> list[CutoffResult]:
    """Bring the checkpoints of a job's cutoffs up to date.

    A cutoff whose input digest has a checkpoint is not trained again. Otherwise training goes on from the
    current checkpoint of the latest earlier cutoff, or starts from scratch: `continual.plan`.

    Parameters
    ----------
    job
        What to train.
    say
        Gets one line a cutoff.

    Raises
    ------
    NoBarsError, LookAheadError
        See `store.shown`.
    NoWindowsError, FloatingPointError
        See `pretrain.fit`.
    """
    lake = Lake(job.lake)
    results = []
    meta: checkpoint.Meta | None = None
    for cutoff in sorted(job.cutoffs):
        start = time.perf_counter()
        before = continual.previous(job.models, job.family, cutoff)
        if meta is not None and (before is None or before.cutoff <= meta.cutoff):
            # The first process says what is current; the others may look before it has.
            before = meta
        plan = continual.plan(job.config, before)
        data = shown(lake, Path(job.windows), job.config, cutoff)
        digest = input_digest(job.config, cutoff, plan.parent, data.digest)
        folder = checkpoint.folder_of(job.models, job.family, cutoff, digest)
        reused = (folder / checkpoint.META).exists()
        if not reused:
            train_one(job.models, job.config, plan, data, digest, say)
        if rank() == 0:
            checkpoint.set_current(job.models, job.family, cutoff, digest)
        if not reused:
            # The next cutoff goes on from this one: it is there for all processes, or for none.
            barrier()
        meta = checkpoint.read_meta(folder)
        seconds = round(time.perf_counter() - start, 2)
        results.append(
            CutoffResult(
                cutoff=cutoff,
                digest=digest,
                folder=str(folder),
                reused=reused,
                parent=meta.parent,
                steps=meta.steps,
                seconds=seconds,
                metrics=meta.metrics,
            )
        )
        skill = meta.metrics.get("skill", float("nan"))
        say(
            f"{job.family} {cutoff}: {'found' if reused else 'trained'} {folder.name} in {seconds} s,"
            f" {data.rows:,} bars, validation skill {skill:.2%}"
        )
    return results


def input_digest(config: FoundationConfig, cutoff: date, parent: checkpoint.Meta | None, rows: str) -> str:
    """SHA-256 of what a checkpoint is made of.

    Outside stay the versions of torch and of other packages, the trading calendars, and the registry of
    instruments (an asset class is an input): a change there that matters needs a new `CODE_VERSION`.

    Parameters
    ----------
    config
        The family's configuration, its seed included.
    cutoff
        The cutoff; the seed of its windows and masks comes of it.
    parent
        Checkpoint it goes on from.
    rows
        Content hash of the series shown at the cutoff.
    """
    parts = {
        "config": config.model_dump(mode="json"),
        "code_version": CODE_VERSION,
        "cutoff": cutoff.isoformat(),
        "parent": parent.input_digest if parent else None,
        "rows": rows,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """Run the job that Dagster Pipes or the command line names."""
    parser = argparse.ArgumentParser(description="Train foundation checkpoints.")
    parser.add_argument(
        "--job", type=Path, help="JSON file with a job; without it the job comes through Dagster Pipes"
    )
    path: Path | None = parser.parse_args().job
    if path is not None:
        results = train_cutoffs(Job.model_validate_json(path.read_text()), _say)
        if rank() == 0:
            print(json.dumps(_plain(results), indent=2))
        return
    from dagster_pipes import (
        DAGSTER_PIPES_CONTEXT_ENV_VAR,
        PipesDefaultContextLoader,
        PipesEnvVarParamsLoader,
        open_dagster_pipes,
    )

    if DAGSTER_PIPES_CONTEXT_ENV_VAR not in os.environ:
        parser.error("no job: give --job, or start it from Dagster")
    if rank() > 0:
        # One process of a run reports, else Dagster would read every message as often as there are processes.
        loader = PipesEnvVarParamsLoader()  # type: ignore[no-untyped-call]  # dagster_pipes does not say
        given = loader.load_context_params()
        with PipesDefaultContextLoader().load_context(given) as context:
            train_cutoffs(Job.model_validate(context["extras"]), _say)
        return
    with open_dagster_pipes() as pipes:
        # Pipes cannot name a partition in a report, and one run trains many: the asset gets the list.
        results = train_cutoffs(Job.model_validate(pipes.extras), pipes.log.info)
        pipes.report_custom_message(_plain(results))


def _say(line: str) -> None:
    if rank() == 0:
        print(line, file=sys.stderr)


def _plain(results: list[CutoffResult]) -> list[dict[str, Any]]:
    return [result.model_dump(mode="json") for result in results]


if __name__ == "__main__":
    main()
