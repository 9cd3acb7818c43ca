"""The processes of a training: who starts them, which of them writes.

What does not belong here: what they do (`task.py`). torch and Lightning are imported only where a trainer is
made: a run that finds everything done does not wait for them.
"""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING, Any

from lim_pipelines.foundation.config import Training

if TYPE_CHECKING:
    import lightning.pytorch as lightning


def rank() -> int:
    """0 in the process of a run that writes and reports, before the processes know each other.

    torchrun names it RANK, Slurm SLURM_PROCID; Lightning gives the processes that it starts a LOCAL_RANK, and
    those of a second node a NODE_RANK: of these the sum tells no more than whether it is 0.
    """
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return int(os.environ[name])
    return int(os.environ.get("NODE_RANK", 0)) + int(os.environ.get("LOCAL_RANK", 0))


def barrier() -> None:
    """Wait for the other processes of a run, if there are any."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.barrier()


def trainer_of(settings: Training, steps: int, callback: lightning.Callback) -> lightning.Trainer:
    """Lightning's trainer for a training's settings.

    Under torchrun and Slurm the processes are there already; else Lightning starts `devices` of them by
    running this process's own command again.

    Parameters
    ----------
    settings
        Precision, pieces of a step, strategy, processes.
    steps
        Steps to take.
    callback
        Follows the training.
    """
    import lightning.pytorch as lightning
    from lightning.pytorch.plugins.environments import SLURMEnvironment
    from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

    # It would announce the hardware and recommend loader workers at every cutoff.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*IterableDataset. has .__len__. defined.*")
    warnings.filterwarnings("ignore", module="lightning.pytorch.utilities._pytree")
    how: dict[str, Any] = {"devices": 1}
    if settings.strategy != "single":
        devices, nodes = _size(settings)
        how = {"devices": devices, "num_nodes": nodes}
        if SLURMEnvironment.detect():
            # Its own requeueing would write checkpoints that are pickles; ours are resumed from anyway.
            how["plugins"] = [SLURMEnvironment(auto_requeue=False)]
        # A head that does not ask for a part of the decoder leaves it without a gradient.
        how["strategy"] = (
            DDPStrategy(find_unused_parameters=True)
            if settings.strategy == "ddp"
            else ModelParallelStrategy(data_parallel_size=devices * nodes, tensor_parallel_size=1)
        )
    return lightning.Trainer(
        max_steps=steps,
        max_epochs=1,
        accelerator="auto",
        precision=settings.precision,
        accumulate_grad_batches=settings.accumulate,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        **how,
    )


def world(settings: Training) -> int:
    """Count the processes of a run, before they know each other.

    Raises
    ------
    ValueError
        There are several, and each would train for itself.
    """
    if settings.strategy == "single":
        if rank():
            raise ValueError(
                f"process {rank()} of several, but training.strategy is 'single'; set 'ddp' or 'fsdp2', or"
                " start one process"
            )
        return 1
    devices, nodes = _size(settings)
    return devices * nodes


def _size(settings: Training) -> tuple[int, int]:
    """Count processes a node, and nodes: as torchrun and Slurm started them, else as set."""
    found = os.environ
    if "TORCHELASTIC_RUN_ID" in found:
        return int(found["LOCAL_WORLD_SIZE"]), int(found["GROUP_WORLD_SIZE"])
    if "SLURM_NTASKS" in found and found.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        nodes = int(found.get("SLURM_NNODES", 1))
        return int(found["SLURM_NTASKS"]) // nodes, nodes
    return settings.devices, settings.nodes
