"""Which of a strategy's models is in use at a cutoff: one decision a cutoff, beside its models.

    <models>/<strategy>/<cutoff>/champion.json     the decision, an `Event` as families of checkpoints log it

What does not belong here: judging (`promotion.py`), models (`store.py`), torch.

A retrained model is not always taken: where it is worse than the one in use, that one goes on. The decision
of a cutoff is made from what was known at it, so walk-forward targets of a cutoff take the model that was in
use then, never one that is in use today.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import ValidationError

from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.store import ModelError
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.evidence import Event, Named
from lim_pipelines.foundation.folders import replace_text

FILE = "champion.json"


class ChampionError(ModelError):
    """Nobody can say which model is in use at a cutoff; the message says why and what to do."""


def event_at(models: str | Path, name: str, cutoff: date) -> Event | None:
    """Read the decision of a cutoff; None if there is none.

    Raises
    ------
    ChampionError
        The file cannot be read.
    """
    path = _path(models, name, cutoff)
    try:
        return Event.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ChampionError(
            f"{path}: no decision on a model ({error}); materialise {name}_model, partition {cutoff}, again"
        ) from error


def put(models: str | Path, name: str, event: Event) -> None:
    """Write down the decision on a challenger, atomically; it replaces an earlier one of its cutoff."""
    path = _path(models, name, event.checkpoint.cutoff)
    replace_text(path, event.model_dump_json(indent=2) + "\n")


def chosen(event: Event) -> Named:
    """Return the model that is in use after a decision."""
    return event.checkpoint if event.event == "promoted" or event.before is None else event.before


def before(models: str | Path, name: str, cutoff: date) -> Named | None:
    """Return the model that was in use when a cutoff came: the newest decision before it."""
    decided = sorted(path.parent.name for path in (Path(models) / name).glob(f"*/{FILE}"))
    earlier = [day for day in map(date.fromisoformat, decided) if day < cutoff]
    event = event_at(models, name, earlier[-1]) if earlier else None
    return None if event is None else chosen(event)


def folder_of(models: str | Path, name: str, named: Named) -> Path:
    """Folder of a model."""
    return checkpoint.folder_of(models, name, named.cutoff, named.digest)


def in_use(models: str | Path, spec: ModelSpec, cutoff: date) -> Path | None:
    """Folder of the models that decide from a cutoff on; None if nothing was trained for it.

    Parameters
    ----------
    models
        Root of all models.
    spec
        The strategy; it must have begun by the cutoff.
    cutoff
        The cutoff; the models may be of an earlier one.

    Raises
    ------
    ChampionError
        The decision is not about the models that are there, or they are gone.
    """
    trained = spec.cadence.trained_at(cutoff)
    newest, event = checkpoint.resolve(models, spec.name, trained), event_at(models, spec.name, trained)
    if newest is None or event is None:
        return None
    again = (
        f"materialise {spec.name}_model, partition {trained}, again (what is trained already is only judged)"
    )
    if folder_of(models, spec.name, event.checkpoint) != newest:
        raise ChampionError(f"{newest}: nobody judged these models yet; {again}")
    was = before(models, spec.name, trained)
    if spec.fit.judged(spec.horizon) and event.before != was:
        raise ChampionError(
            f"{newest}: was judged against {event.before or 'nothing'}, in use before it is now"
            f" {was or 'nothing'}; {again}"
        )
    folder = folder_of(models, spec.name, chosen(event))
    if not (folder / checkpoint.META).is_file():
        raise ChampionError(f"{folder}: the models in use at cutoff {cutoff} are gone; {again}")
    return folder


def trained_as(models: str | Path, name: str, digest: str, until: date) -> Path | None:
    """Folder of the models of a digest, of any cutoff up to one; None if there is none."""
    found = sorted((Path(models) / name).glob(f"*/{digest[:16]}/{checkpoint.META}"))
    return next((p.parent for p in found if date.fromisoformat(p.parents[1].name) <= until), None)


def _path(models: str | Path, name: str, cutoff: date) -> Path:
    return Path(models) / name / cutoff.isoformat() / FILE
