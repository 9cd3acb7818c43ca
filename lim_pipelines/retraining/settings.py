"""The user's numbers: `automation.yaml` in the folder that everything is kept in.

    retraining:
      new_sessions: 15
      calendar_sessions: 5
      budget_hours_a_week: 3

What does not belong here: how often a training starts from scratch (`foundation/config.py`: `Continual`),
which cutoffs a strategy trains at (its YAML's `cadence`).
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FILE = "automation.yaml"


class SettingsError(ValueError):
    """`automation.yaml` is wrong; the message says where and what to do."""


class Retraining(BaseModel):
    """When trainings are due, and what they may take.

    Parameters
    ----------
    new_sessions
        New or corrected sessions that make something due; a month of trading has 19 to 23.
    calendar_sessions
        Sessions that are enough once a month is over and its newest cutoff has nothing yet.
    budget_hours_a_week
        Hours of training in any seven days; None is no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    new_sessions: int = Field(default=15, ge=1)
    calendar_sessions: int = Field(default=5, ge=1)
    budget_hours_a_week: float | None = Field(default=None, gt=0)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    retraining: Retraining = Retraining()


def read_settings(root: Path) -> Retraining:
    """Read the settings; the defaults where there is no file.

    Parameters
    ----------
    root
        Folder that everything is kept in.

    Raises
    ------
    SettingsError
        The file cannot be read, or says what it must not.
    """
    path = root / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Retraining()
    try:
        return _File.model_validate(yaml.safe_load(text) or {}).retraining
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: cannot be read as YAML: {error}; correct it") from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        known = ", ".join(Retraining.model_fields)
        raise SettingsError(
            f"{path}: {said}; correct it, or remove it (below `retraining:` there are {known})"
        ) from error
