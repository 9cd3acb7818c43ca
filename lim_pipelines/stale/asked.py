"""Checkpoints and models that the test of universality may ask: those in use at cutoffs of the last year.

Wider than the test, which asks some of them, as many as people say in the launchpad.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from lim_pipelines.finetune import champions
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.stale.result import Key
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.universality.year import of_last_year


def asked(models: Path, configs: Sequence[FoundationConfig], specs: Sequence[StrategySpec]) -> dict[Key, str]:
    """Folders of what is in use, by asset and cutoff.

    Parameters
    ----------
    models
        Where models lie.
    configs, specs
        All families and strategies.
    """
    found: dict[Key, str] = {}
    for config in configs:
        for cutoff in of_last_year(checkpoint.cutoffs(models, config.name)):
            folder = checkpoint.resolve(models, config.name, cutoff)
            found[config.name, cutoff.isoformat()] = "" if folder is None else folder.name
    for spec in specs:
        for cutoff in of_last_year(checkpoint.cutoffs(models, spec.name)):
            if spec.cadence.begun(cutoff):
                name, folder = f"{spec.name}_model", in_use(models, spec, cutoff)
                found[name, cutoff.isoformat()] = "" if folder is None else folder.name
                if folder is not None:
                    # The models of a cutoff may be judged and not taken: earlier ones go on.
                    found.setdefault((name, folder.parent.name), folder.name)
    return found


def digest_of(found: Mapping[Key, str]) -> str:
    """Hash of what is in use, as of `asked`."""
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()


def in_use(models: Path, spec: StrategySpec, cutoff: date) -> Path | None:
    """Folder of the models that decide from a cutoff on; None where nobody can say which."""
    try:
        return champions.in_use(models, spec, cutoff)
    except champions.ChampionError:
        # Its parent says so itself.
        return None
