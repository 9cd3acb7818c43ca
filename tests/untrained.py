"""Training, deciding and trading but for the arithmetic: what each leaves is a hash of what it read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from trained import meta_of

from lim_pipelines.evaluate import leaderboard as board
from lim_pipelines.finetune import champions, store
from lim_pipelines.finetune import plan as finetune
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation import train as pretrain
from lim_pipelines.foundation.config import REAL
from lim_pipelines.foundation.data import read_bars, series_of
from lim_pipelines.foundation.evidence import Event, Named
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.foundation.metrics_file import METRICS
from lim_pipelines.foundation.store import digest_of
from lim_pipelines.lake import Commit, Lake, fingerprint, midnight
from lim_pipelines.schemas import BACKTEST_DAILY, EFFECTIVENESS, TARGETS
from lim_pipelines.standings import Standings
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.walkforward import Outcome

if TYPE_CHECKING:
    from sensor_world import Driven

_LINE = {"step": 1, "loss": 1.0, "gradient_norm": 1.0, "windows_per_s": 1.0}
_UNTOLD: dict[str, Any] = {"wall_seconds": 0.0, "hardware": "", "torch_version": "", "created_at": ""}


class Untrained:
    """Stands where `Trainer.run`, `walkforward` and the reports stand; tells `world` what is being made."""

    def __init__(self, world: Driven) -> None:
        self._world = world

    def train(self, module: str, job: dict[str, Any]) -> list[dict[str, Any]]:
        """Leave what a training leaves, but for the weights; what is there already is found again."""
        make = self._checkpoint if module == pretrain.__name__ else self._model
        return [make(date.fromisoformat(cutoff)) for cutoff in job["cutoffs"]]

    def decide(self, lake: Lake, models: Path, spec: StrategySpec, cutoffs: Sequence[date]) -> pl.DataFrame:
        """Decide by the hash of what is known."""
        rows = [self._decided(models, spec, cutoff) for cutoff in cutoffs]
        return pl.DataFrame(rows, schema=TARGETS.schema)

    def backtest(self, lake: Lake, models: Path, reports: Path, spec: StrategySpec) -> Outcome:
        """Earn the hash of what was traded."""
        self._world.making(("small_backtest", ""))
        names = ("gross_return", "cost", "net_return", "turnover", "gross_exposure", "net_exposure")
        told = dict.fromkeys(names, 0.0) | {"gross_return": _number(self._world.memory["small_backtest", ""])}
        row = {"strategy": spec.name, "arm": spec.method, "seed": 1, "date": date(2018, 12, 3), **told}
        rows = BACKTEST_DAILY.conform(pl.DataFrame([row]))
        commit = lake.write(BACKTEST_DAILY, rows, rows.select("strategy"))
        return Outcome(
            commit, "", reports / "small.html", pl.DataFrame({"arm": ["head"]}), pl.DataFrame(), b""
        )

    def leaderboard(self, lake: Lake, reports: Path, specs: Sequence[StrategySpec]) -> Standings:
        """Judge nobody."""
        self._world.making(("leaderboard", ""))
        return Standings(board.leaderboard([]), reports / "leaderboard.html", None)

    def effectiveness(
        self, lake: Lake, models: Path, reports: Path, specs: Sequence[StrategySpec]
    ) -> tuple[Commit, list[Any]]:
        """Test nobody."""
        self._world.making(("effectiveness", ""))
        none = EFFECTIVENESS.empty()
        return lake.write(EFFECTIVENESS, none, none.select("strategy")), []

    def _decided(self, models: Path, spec: StrategySpec, cutoff: date) -> dict[str, Any]:
        key = f"{spec.name}_targets", cutoff.isoformat()
        self._world.making(key)
        folder = champions.in_use(models, spec, cutoff)
        assert folder is not None
        return {
            "strategy": spec.name,
            "cutoff": cutoff,
            "spec_digest": spec.digest(),
            "model_digest": store.read_meta(folder).input_digest,
            "arm": spec.method,
            "seed": 1,
            "date": cutoff,
            "decided_at": midnight(cutoff),
            "exchange": "XNAS",
            "instrument_id": "XNAS:AAPL",
            "forecast": _number(self._world.memory[key]),
            "weight": 0.5,
        }

    def _checkpoint(self, cutoff: date) -> dict[str, Any]:
        lake, models = self._world.lake, self._world.models
        self._world.making((REAL.name, cutoff.isoformat()))
        meta = meta_of(lake, models, cutoff, digest_of(series_of(read_bars(lake, REAL, cutoff))))
        digest = meta.input_digest
        folder = checkpoint.folder_of(models, REAL.name, cutoff, digest)
        reused = _keep(folder, meta)
        checkpoint.set_current(models, REAL.name, cutoff, digest)
        return _told(cutoff, digest, reused, folder)

    def _model(self, cutoff: date) -> dict[str, Any]:
        lake, models, spec = self._world.lake, self._world.models, self._world.spec
        self._world.making((f"{spec.name}_model", cutoff.isoformat()))
        plan = finetune.plan(lake.root, str(models), spec, cutoff)
        meta = store.ModelMeta(
            spec=spec,
            cutoff=cutoff,
            input_digest=plan.digest,
            parent_family=REAL.name,
            parent=checkpoint.read_meta(plan.parent).input_digest,
            backbone=REAL,
            code_version=finetune.CODE_VERSION,
            data=plan.data,
            windows={},
            arms=(),
            **_UNTOLD,
        )
        reused = _keep(plan.folder, meta)
        checkpoint.set_current(models, spec.name, cutoff, plan.digest)
        event = Event(
            moment="",
            event="promoted",
            checkpoint=Named(cutoff=cutoff, digest=plan.digest),
            before=champions.before(models, spec.name, cutoff),
            evidence=None,
            by="test",
            why="test",
        )
        champions.put(models, spec.name, event)
        told = {"trained_at": cutoff.isoformat(), "in_use": plan.digest, "decision": "promoted"}
        return _told(cutoff, plan.digest, reused, plan.folder) | told


def _keep(folder: Path, meta: checkpoint.Meta | store.ModelMeta) -> bool:
    """Write a model down unless it is there; say whether it was."""
    if (folder / checkpoint.META).exists():
        return True
    with atomic_folder(folder) as made:
        (made / checkpoint.META).write_text(meta.model_dump_json())
        (made / METRICS).write_text(json.dumps(_LINE) + "\n")
    return False


def _told(cutoff: date, digest: str, reused: bool, folder: Path) -> dict[str, Any]:
    """What a training reports."""
    told = {"cutoff": cutoff.isoformat(), "digest": digest, "reused": reused}
    return {**told, "folder": str(folder), "seconds": 0.0, "metrics": {}}


def _number(content: Any) -> float:
    """A number of some content, the same in every process."""
    return int(fingerprint(pl.DataFrame({"content": [str(content)]}))[:8], 16) / 2**32
