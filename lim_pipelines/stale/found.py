"""What was made, from what, and whether it would be made so today: checkpoints, models, targets.

Behind them stand backtests and reports (`reports.py`).

What does not belong here: comparing rows (`rows.py`), what follows for those made from them (`judge.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from lim_pipelines.finetune import champions, store
from lim_pipelines.finetune import plan as finetune
from lim_pipelines.finetune.features import MissingInputsError
from lim_pipelines.foundation import checkpoint, continual
from lim_pipelines.foundation import train as pretrain
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import NoBarsError, read_bars, series_of
from lim_pipelines.foundation.store import digest_of
from lim_pipelines.lake import LATEST, Lake, Past, fingerprint, midnight
from lim_pipelines.schemas import RESULT_READS
from lim_pipelines.stale import wanted
from lim_pipelines.stale.recorded import code_of
from lim_pipelines.stale.reports import reports
from lim_pipelines.stale.result import GONE, Key, Records, Result, other_code, recorded
from lim_pipelines.stale.rows import Recorded
from lim_pipelines.strategies.spec import StrategySpec


def results(
    lake: Lake, models: Path, specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> list[Result]:
    """Find everything that was made, each behind what it is made from, earlier cutoffs first.

    Parameters
    ----------
    lake, models
        Where records and models lie.
    specs, configs
        All strategies and families.
    """
    records = _records(lake)
    found = [one for config in configs for one in _checkpoints(lake, models, config, records)]
    for spec in specs:
        found += _models(lake, models, spec, records)
        found += _targets(lake, models, spec, records)
    return [*found, *reports(lake, models, specs, configs, records)]


def made(
    lake: Lake, models: Path, specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> set[Key]:
    """Name everything that was made, as `results`, stale or not."""
    return {one.key for one in results(lake, models, specs, configs)}


def _records(lake: Lake) -> Records:
    found: dict[Key, list[dict[str, Any]]] = {}
    for row in lake.read(RESULT_READS, as_of=LATEST).collect().iter_rows(named=True):
        found.setdefault((row["result"], row["partition"]), []).append(row)
    return found


def _checkpoints(lake: Lake, models: Path, config: FoundationConfig, records: Records) -> list[Result]:
    found: list[Result] = []
    cutoffs, before = checkpoint.cutoffs(models, config.name), None
    for cutoff in cutoffs:
        try:
            meta = checkpoint.read_meta(_folder(models, config.name, cutoff))
        except checkpoint.CheckpointError as error:
            found.append(_unreadable(config.name, cutoff, error, cutoff == cutoffs[-1]))
            continue
        parent = continual.plan(config, before).parent
        digest = None if parent is None else parent.input_digest
        if pretrain.input_digest(config, cutoff, parent, meta.data.fingerprint) == meta.input_digest:
            altered = ""
        elif meta.parent != digest:
            altered = f"went on from {_short(meta.parent)}, would now from {_short(digest)}"
        else:
            altered = f"made by {meta.code_version} or with other settings of {config.name}"
        read = Recorded(
            wanted.of_checkpoint(config, cutoff),
            _newest(meta.data, records.get((config.name, cutoff.isoformat()), []), meta.input_digest),
            meta.data.fingerprint,
            partial(_series, lake, config, cutoff),
        )
        parents = () if parent is None else ((config.name, parent.cutoff.isoformat()),)
        found.append(
            Result(config.name, cutoff.isoformat(), (read,), parents, altered, cutoff == cutoffs[-1])
        )
        before = meta
    return found


def _models(lake: Lake, models: Path, spec: StrategySpec, records: Records) -> list[Result]:
    found, name = [], f"{spec.name}_model"
    cutoffs = checkpoint.cutoffs(models, spec.name)
    for cutoff in cutoffs:
        try:
            meta = store.read_meta(_folder(models, spec.name, cutoff))
        except store.ModelError as error:
            found.append(_unreadable(name, cutoff, error, cutoff == cutoffs[-1]))
            continue
        start = checkpoint.resolve(models, spec.foundation, cutoff)
        event = champions.event_at(models, spec.name, cutoff)
        was = champions.before(models, spec.name, cutoff) if spec.fit.judged(spec.horizon) else None
        now = finetune.input_digest(spec, cutoff, meta.parent, [read.fingerprint for read in meta.data])
        # A folder is named by its digest.
        if start is None or start.name != _short(meta.parent):
            altered = (
                f"started from {_short(meta.parent)}, would now from {start.name if start else 'nothing'}"
            )
        elif now != meta.input_digest:
            altered = f"made by {meta.code_version} or with other settings of {spec.name}"
        elif event is None or event.checkpoint.digest != meta.input_digest:
            altered = "nobody has judged these models yet"
        elif spec.fit.judged(spec.horizon) and event.before != was:
            altered = (
                f"was judged against {event.before or 'nothing'}, would now be against {was or 'nothing'}"
            )
        else:
            altered = ""
        of_table = {read.table: read for read in meta.data}
        record = records.get((name, cutoff.isoformat()), [])
        reads = tuple(
            Recorded(
                one,
                _newest(of_table[one.table.name], record, meta.input_digest),
                of_table[one.table.name].fingerprint,
                partial(_inputs, lake, spec, cutoff, one.table.name),
            )
            for one in wanted.of_model(spec, cutoff)
            if one.table.name in of_table
        )
        parents: list[Key] = []
        if start is not None:
            parents.append((spec.foundation, cutoff.isoformat()))
        parents += [(name, was.cutoff.isoformat())] if was is not None else []
        found.append(Result(name, cutoff.isoformat(), reads, tuple(parents), altered, cutoff == cutoffs[-1]))
    return found


def _targets(lake: Lake, models: Path, spec: StrategySpec, records: Records) -> list[Result]:
    found, name = [], f"{spec.name}_targets"
    partitions = sorted(partition for result, partition in records if result == name)
    for partition in partitions:
        cutoff, record = date.fromisoformat(partition), records[name, partition]
        if not spec.cadence.begun(cutoff):
            continue
        parents = [(f"{spec.name}_model", spec.cadence.trained_at(cutoff).isoformat())]
        altered = other_code(record, code_of(spec))
        try:
            folder = champions.in_use(models, spec, cutoff)
        except champions.ChampionError:
            # Its parent says so itself.
            folder = None
        if folder is not None:
            parents.append((f"{spec.name}_model", folder.parent.name))
            decided = record[0]["parents"][:16]
            if not altered and decided != folder.name:
                altered = f"decided by {decided}, would now be by {folder.name}"
        found.append(
            Result(
                name,
                partition,
                recorded(lake, wanted.of_targets(spec, cutoff), record),
                tuple(dict.fromkeys(parents)),
                altered,
                partition == partitions[-1],
            )
        )
    return found


def _newest(read: checkpoint.TableRead, record: Sequence[Mapping[str, Any]], digest: str) -> int:
    """Newest version of the lake of which the same came out."""
    again = [row["lake_version"] for row in record if (row["table"], row["parents"]) == (read.table, digest)]
    return max([read.lake_version, *(int(version) for version in again)])


def _series(lake: Lake, config: FoundationConfig, cutoff: date) -> str:
    """Content hash of a family's series, as training computes it."""
    try:
        return digest_of(series_of(read_bars(lake, config, cutoff)))
    except NoBarsError:
        return GONE


def _inputs(lake: Lake, spec: StrategySpec, cutoff: date, table: str) -> str:
    """Content hash of bars or features, as training computes it."""
    try:
        bars, inputs = finetune.read_inputs(Past(lake, midnight(cutoff)), spec, cutoff)
    except MissingInputsError:
        return GONE
    return fingerprint(bars if table == "validated_bars" else inputs)


def _unreadable(name: str, cutoff: date, error: Exception, newest: bool) -> Result:
    return Result(name, cutoff.isoformat(), (), (), str(error), newest)


def _folder(models: Path, name: str, cutoff: date) -> Path:
    folder = checkpoint.resolve(models, name, cutoff)
    assert folder is not None, "`checkpoint.cutoffs` names those that have one"
    return folder


def _short(digest: str | None) -> str:
    return digest[:16] if digest else "nothing"
