"""Entry point: train a list of cutoffs, each from the one before it (paper, section 6.2: rolling training).

    python -m lim_pipelines.foundation.train                    under Dagster Pipes; the job comes as extras
    python -m lim_pipelines.foundation.train --job job.json     anywhere else; results go to stdout as JSON

What does not belong here: the loop (`pretrain.py`), reading (`store/`). torch and Lightning are imported
only when something must be trained: a run that finds everything done takes a second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lim_pipelines.foundation import checkpoint, continual
from lim_pipelines.foundation.config import CODE_VERSION, FoundationConfig
from lim_pipelines.foundation.decided import Selection
from lim_pipelines.foundation.folders import atomic_folder, work_folder
from lim_pipelines.foundation.metrics_file import METRICS
from lim_pipelines.foundation.plot import loss_svg
from lim_pipelines.foundation.processes import barrier, rank
from lim_pipelines.foundation.selection import drawn_from, select
from lim_pipelines.foundation.store import Shown, shown
from lim_pipelines.foundation.windows import Windows, split_time
from lim_pipelines.lake import Lake

if TYPE_CHECKING:
    from lim_pipelines.foundation.model import FoundationModel


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
    for cutoff in sorted(job.cutoffs):
        start = time.perf_counter()
        plan = continual.plan(job.config, continual.previous(job.models, job.family, cutoff))
        data = shown(lake, Path(job.windows), job.config, cutoff)
        digest = input_digest(job.config, cutoff, plan.parent, data.digest)
        folder = checkpoint.folder_of(job.models, job.family, cutoff, digest)
        reused = (folder / checkpoint.META).exists()
        if not reused:
            _train(job, plan, data, digest, folder, say)
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


def _train(
    job: Job, plan: continual.Plan, data: Shown, digest: str, folder: Path, say: Callable[[str], None]
) -> None:
    import torch

    from lim_pipelines.foundation.pretrain import fit

    config, cutoff, parent = job.config, data.index.cutoff, plan.parent
    start = time.perf_counter()
    if config.shape.threads is not None:
        torch.set_num_threads(config.shape.threads)
    windows = data.windows()
    selection = _selected(config, parent, windows, say)
    refused = () if selection is None else selection.refused
    model = _begin(job, parent, drawn_from(config, windows, refused))
    with work_folder(folder, writes=rank() == 0) as work:
        found = fit(
            model,
            windows,
            steps=plan.steps,
            learning_rate=plan.start.learning_rate,
            seed=config.seed * 1_000_003 + cutoff.toordinal(),
            label=f"{job.family} {cutoff}",
            folder=work,
            held_out_before=plan.start.recent_from,
            replay=plan.start.replay,
            events=Path(job.models).parent / "training-logs" / job.family / cutoff.isoformat(),
            say=say,
        )
        meta = checkpoint.Meta(
            config=config,
            cutoff=cutoff,
            input_digest=digest,
            parent=parent.input_digest if parent else None,
            parent_cutoff=parent.cutoff if parent else None,
            code_version=CODE_VERSION,
            seed=config.seed,
            steps=plan.steps,
            data=data.data_read(),
            windows=found.windows,
            metrics=found.metrics,
            loss_curve=found.curve,
            wall_seconds=round(time.perf_counter() - start, 3),
            hardware=_hardware(),
            torch_version=torch.__version__,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            rollbacks=found.rollbacks,
            cost=found.cost,
            start=plan.start,
            selection=selection,
        )
        if rank() == 0:
            with atomic_folder(folder) as fresh:
                shutil.copy(work / METRICS, fresh)
                (fresh / "loss.svg").write_text(loss_svg(f"{job.family} {cutoff}", found.curve))
                checkpoint.save(model, meta, fresh)


def _selected(
    config: FoundationConfig, parent: checkpoint.Meta | None, windows: Windows, say: Callable[[str], None]
) -> Selection | None:
    """Which candidates of the mix are drawn from: the parent's choice, or what is tried now."""
    from lim_pipelines.foundation.pretrain import VALIDATION_SHARE

    if parent is not None:
        return parent.selection
    if not config.mix.candidates:
        return None
    return select(config, windows, split_time(windows, VALIDATION_SHARE), say)


def _begin(job: Job, parent: checkpoint.Meta | None, config: FoundationConfig) -> FoundationModel:
    """Model to train; `config` is the job's but for the mix that is drawn."""
    import torch

    from lim_pipelines.foundation.model import FoundationModel

    torch.manual_seed(config.seed)
    model = FoundationModel(config)
    if parent is None:
        return model
    folder = checkpoint.folder_of(job.models, job.family, parent.cutoff, parent.input_digest)
    model.load_state_dict(checkpoint.load(folder)[0].state_dict())
    return model


def _hardware() -> str:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {device}"


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
        given = PipesEnvVarParamsLoader().load_context_params()
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
