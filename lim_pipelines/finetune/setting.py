"""Base of everything that a strategy's YAML may say, and the names that a misspelling is like.

What does not belong here: the settings themselves (`spec.py`, `universe.py`, `costs.py`, ...).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict

_LIKE = 0.6
"""Likeness, by `difflib`, from which a name is offered."""


class Setting(BaseModel):
    """Base of all settings: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def meant(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant: ` (did you mean 'horizon'?)`; empty if none is alike."""
    found = get_close_matches(name, sorted(known), n=1, cutoff=_LIKE)
    return f" (did you mean {found[0]!r}?)" if found else ""
