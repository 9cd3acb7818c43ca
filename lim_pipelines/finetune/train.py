"""Training entry point of strategies: `python -m lim_pipelines.finetune.train`, by Pipes or `--job`.

For each cutoff: read what was known, start from the foundation checkpoint of the same cutoff, fit all arms
and seeds, write one content-addressed folder. What was trained before from the same inputs is not trained
again. New models are then judged against those in use (`promotion.py`).

What does not belong here: what goes into a fit (`plan.py`), the arms (a file each), files (`store.py`). This
module imports torch only in the processes that fit.

Job (JSON): lake (root), models (root), strategy (a `StrategySpec` as a dict), cutoffs (ISO dates).
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lim_pipelines import clock
from lim_pipelines.finetune import champions, promotion, store
from lim_pipelines.finetune.plan import CODE_VERSION, Plan, plan
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.evidence import Event
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.lake import fingerprint
from lim_pipelines.strategies.registry import TASKS

WORKERS = 2
"""Cutoffs are fitted in processes of one thread each: the networks are too small to share one."""


class InputsChangedError(RuntimeError):
    """The lake changed between the plan of a cutoff and its fit."""


def fit_cutoff(todo: Plan) -> None:
    """Fit all arms and seeds of a cutoff and move their folder into place.

    Raises
    ------
    InputsChangedError
        The rows are no longer those that the digest was made of.
    """
    import torch

    from lim_pipelines.finetune.arms import fit_arms

    torch.set_num_threads(1)
    started = time.monotonic()
    bars, inputs = todo.rows()
    changed = [
        planned.table
        for planned, rows in zip(todo.data, (bars, inputs), strict=True)
        if planned.fingerprint != fingerprint(rows)
    ]
    if changed:
        raise InputsChangedError(
            f"strategy {todo.spec.name}, cutoff {todo.cutoff}: {' and '.join(changed)} in {todo.lake} changed"
            " while the models were trained; run it again"
        )
    backbone, parent = checkpoint.load(todo.parent)
    task = TASKS[todo.spec.task]
    selection = task.select(todo.spec, bars)
    samples = task.samples(todo.spec, bars, inputs, selection)
    result = fit_arms(todo.spec, backbone, samples, todo.cutoff, todo.parent)
    meta = store.ModelMeta(
        spec=todo.spec,
        cutoff=todo.cutoff,
        input_digest=todo.digest,
        parent_family=todo.spec.foundation,
        parent=parent.input_digest,
        backbone=parent.config,
        code_version=CODE_VERSION,
        data=todo.data,
        windows=result.windows,
        selection=selection,
        arms=tuple(result.arms),
        wall_seconds=time.monotonic() - started,
        hardware=f"{platform.machine()}, {os.cpu_count()} CPUs, 1 thread",
        torch_version=torch.__version__,
        created_at=clock.now().isoformat(timespec="seconds"),
    )
    with atomic_folder(todo.folder) as folder:
        store.save(result.forecasters, meta, folder)


def train(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Train all cutoffs of a job.

    Parameters
    ----------
    job
        See the module's docstring.

    Returns
    -------
    list of dict
        One entry a cutoff that the strategy has begun by: cutoff, digest, reused, seconds, metrics
        (validation R2 and rank IC of each arm, mean over its seeds); trained_at, the cutoff that `digest` is
        of; in_use, digest of the models that decide from the cutoff on; decision, in words.
    """
    # The positions' settings are no business of training: a change there retrains nothing.
    spec = ModelSpec.model_validate({k: v for k, v in job["strategy"].items() if k in ModelSpec.model_fields})
    cutoffs = sorted(date.fromisoformat(cutoff) for cutoff in job["cutoffs"])
    asked = [cutoff for cutoff in cutoffs if spec.cadence.begun(cutoff)]
    due = sorted({spec.cadence.trained_at(cutoff) for cutoff in asked})
    plans = [plan(job["lake"], job["models"], spec, cutoff) for cutoff in due]
    todo = [one for one in plans if not (one.folder / checkpoint.META).exists()]
    fitted = {one.cutoff for one in todo}
    with tqdm(total=len(todo), desc=f"{spec.name}: cutoffs", file=sys.stderr, disable=not todo) as progress:
        for one in _fit_all(todo):
            checkpoint.set_current(one.models, spec.name, one.cutoff, one.digest)
            progress.update()
    found = {}
    # Oldest first: each is judged against what was in use when it came.
    for one in plans:
        checkpoint.set_current(one.models, spec.name, one.cutoff, one.digest)
        event = promotion.decide(Path(one.models), spec, one.folder, partial(_samples, one))
        found[one.cutoff] = _report(one, one.cutoff not in fitted, event)
    return [found[spec.cadence.trained_at(day)] | {"cutoff": day.isoformat()} for day in asked]


def _samples(one: Plan, meta: store.ModelMeta) -> Samples:
    """Make samples of a plan's rows by what the task chose for some models."""
    bars, inputs = one.rows()
    return TASKS[one.spec.task].samples(one.spec, bars, inputs, meta.selection)


def _fit_all(todo: list[Plan]) -> Iterator[Plan]:
    if len(todo) < 2:
        for one in todo:
            fit_cutoff(one)
            yield one
        return
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(WORKERS, len(todo)), mp_context=context) as pool:
        for one, _ in zip(todo, pool.map(fit_cutoff, todo), strict=True):
            yield one


def _report(one: Plan, reused: bool, event: Event) -> dict[str, Any]:
    meta = store.read_meta(one.folder)
    metrics: dict[str, float | None] = {}
    for arm in one.spec.arms:
        for name in ("validation_r2", "validation_rank_ic"):
            values = [a.metrics[name] for a in meta.arms if a.arm == arm]
            known = [value for value in values if value is not None and math.isfinite(value)]
            metrics[f"{arm}_{name}"] = sum(known) / len(known) if known else None
    return {
        "trained_at": one.cutoff.isoformat(),
        "digest": one.digest,
        "in_use": champions.chosen(event).digest,
        "decision": f"{event.event}: {event.why}",
        "reused": reused,
        "seconds": 0.0 if reused else meta.wall_seconds,
        "metrics": metrics,
    }


@contextmanager
def _pipes() -> Iterator[Any]:
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        yield pipes


def main(arguments: list[str] | None = None) -> None:
    """Train the job of the Pipes context, or of `--job file.json` and print one JSON line a cutoff."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--job", type=Path, help="JSON file with the job; without it Dagster Pipes hands it over"
    )
    path = parser.parse_args(arguments).job
    if path is not None:
        for entry in train(json.loads(path.read_text())):
            print(json.dumps(entry))
        return
    with _pipes() as pipes:
        results = train(pipes.extras)
        pipes.report_custom_message(results)


if __name__ == "__main__":
    main()
