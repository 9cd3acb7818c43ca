"""Which checkpoint of a family is its champion: an append-only log, one line a decision (section 6.2).

    <models>/<family>/registry.jsonl

What does not belong here: judging (`promotion.py`), checkpoints (`checkpoint.py`), torch.

The champion is for use now: a forecast of today, a comparison, an export. Walk-forward strategies never take
it: at each cutoff they take the checkpoint of that cutoff (`checkpoint.resolve`), because the champion may
have been trained, and was chosen, on what came later.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from lim_pipelines import clock
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.evidence import Event, Named
from lim_pipelines.foundation.folders import sync

LOG = "registry.jsonl"


class RegistryError(checkpoint.CheckpointError):
    """There is no such checkpoint, or the log of champions cannot be read."""


def events(models: str | Path, family: str) -> list[Event]:
    """Read the log of a family, oldest first.

    A last line without an end is that of a writer who was killed: it was never decided.

    Raises
    ------
    RegistryError
        A whole line cannot be read.
    """
    path = Path(models) / family / LOG
    if not path.exists():
        return []
    *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(Event.model_validate_json(line))
        except ValidationError as error:
            raise RegistryError(
                f"{path}, line {number}: no decision on a champion ({error}); take the line out or mend it"
            ) from error
    return found


def champion(models: str | Path, family: str) -> Named | None:
    """Return the champion of a family; None before the first one."""
    return champion_of(events(models, family))


def champion_of(log: list[Event]) -> Named | None:
    """Return the champion at the end of a log: what was promoted, or rolled back to, last."""
    return next((event.checkpoint for event in reversed(log) if event.event != "kept"), None)


def resolve(models: str | Path, family: str, which: Literal["champion"] | date) -> Path:
    """Folder of a family's champion, or of a cutoff's current checkpoint.

    Parameters
    ----------
    models
        Root of the checkpoints.
    family
        Name of the family.
    which
        `"champion"`, or a cutoff. Whoever replays the past names the cutoff.

    Raises
    ------
    RegistryError
        There is none.
    """
    if not isinstance(which, date):
        named = champion(models, family)
        if named is None:
            raise RegistryError(
                f"{Path(models) / family}: no champion yet; materialise `foundation_champion` after a"
                f" checkpoint of {family}, or name a cutoff ({_known(models, family)})"
            )
        return _folder(models, family, named)
    folder = checkpoint.resolve(models, family, which)
    if folder is None:
        raise RegistryError(
            f"{Path(models) / family}: no checkpoint of cutoff {which} (there are"
            f" {_known(models, family)}); materialise {family} at that cutoff"
        )
    return folder


def append(models: str | Path, family: str, event: Event) -> None:
    """Add a line to the log, wholly or not at all; what a killed writer left behind is cut off first.

    Raises
    ------
    RegistryError
        Meanwhile the champion is another than `event.before`.
    """
    with _locked(models, family) as handle:
        now = champion(models, family)
        if now != event.before:
            raise RegistryError(
                f"{Path(models) / family}: the champion is {now} by now, not {event.before}: judge again"
            )
        _write(handle, event)


def rollback(models: str | Path, family: str, to: date | None, by: str, why: str) -> Event:
    """Make an earlier champion, or any current checkpoint, the champion.

    What it replaces is not judged again; the next new checkpoint is.

    Parameters
    ----------
    models, family
        Where, and which family.
    to
        Cutoff of the checkpoint; None: the champion before the present one.
    by, why
        Who asks, and why.

    Raises
    ------
    RegistryError
        There is no such checkpoint, or it is the champion.
    """
    if not (Path(models) / family).is_dir():
        raise RegistryError(f"{Path(models) / family}: no checkpoint of a family {family!r}")
    with _locked(models, family) as handle:
        log = events(models, family)
        now = champion_of(log)
        chosen = _before(models, family, log) if to is None else _of_cutoff(models, family, to)
        if chosen == now:
            raise RegistryError(f"{family}: {chosen} is the champion already; name another cutoff")
        _folder(models, family, chosen)
        event = Event(
            moment=clock.now().isoformat(timespec="seconds"),
            event="rolled_back",
            checkpoint=chosen,
            before=now,
            evidence=None,
            by=by,
            why=why,
        )
        _write(handle, event)
    return event


def lineage(models: str | Path, family: str, named: Named) -> list[checkpoint.Meta]:
    """Metas of a checkpoint and of what it goes back to, newest first, as far as their folders are there."""
    found: list[checkpoint.Meta] = []
    place = checkpoint.folder_of(models, family, named.cutoff, named.digest)
    while (place / checkpoint.META).is_file():
        meta = checkpoint.read_meta(place)
        found.append(meta)
        if meta.parent is None or meta.parent_cutoff is None:
            break
        place = checkpoint.folder_of(models, family, meta.parent_cutoff, meta.parent)
    return found


def _before(models: str | Path, family: str, log: list[Event]) -> Named:
    now = champion_of(log)
    for event in reversed(log):
        if event.event != "kept" and event.checkpoint != now:
            return event.checkpoint
    raise RegistryError(
        f"{family}: there was no champion before {now or 'the first'}; name a cutoff"
        f" ({_known(models, family)})"
    )


def _of_cutoff(models: str | Path, family: str, cutoff: date) -> Named:
    meta = checkpoint.read_meta(resolve(models, family, cutoff))
    return Named(cutoff=cutoff, digest=meta.input_digest)


def _folder(models: str | Path, family: str, named: Named) -> Path:
    folder = checkpoint.folder_of(models, family, named.cutoff, named.digest)
    if not (folder / checkpoint.META).is_file():
        raise RegistryError(
            f"{folder}: the checkpoint of {family} {named} is gone; materialise it again, or"
            f" `lim champion rollback {family} --to` another cutoff"
        )
    return folder


def _known(models: str | Path, family: str) -> str:
    return ", ".join(map(str, checkpoint.cutoffs(models, family))) or "none is trained"


@contextmanager
def _locked(models: str | Path, family: str) -> Iterator[int]:
    """Descriptor of the log, to which nobody else writes meanwhile."""
    path = Path(models) / family / LOG
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
    sync(path.parent)


def _write(handle: int, event: Event) -> None:
    whole = os.pread(handle, os.fstat(handle).st_size, 0)
    end = whole.rfind(b"\n") + 1
    os.ftruncate(handle, end)
    os.pwrite(handle, event.model_dump_json().encode() + b"\n", end)
    os.fsync(handle)
