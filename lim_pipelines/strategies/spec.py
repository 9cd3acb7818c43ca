"""A strategy as its YAML says it: the models' part (`finetune/spec.py`) and how forecasts become positions.

What does not belong here: the Dagster component that holds it (`assets/strategies.py`), the arithmetic of
positions (`portfolio/`). Import-light: Dagster reads specs when it loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.strategies.portfolios import OwnPositions, Portfolio
from lim_pipelines.strategies.registry import TASKS


class SpecError(ValueError):
    """A strategy's YAML is wrong; the message names file, line, field and remedy."""


class StrategySpec(ModelSpec):
    """All that defines a strategy. Its `digest` is what the trial ledger counts."""

    portfolio: Portfolio = Field(
        default=OwnPositions(),
        validate_default=True,
        description="How forecasts become positions; its fields depend on `task`. Not of `output: position`.",
    )

    @field_validator("portfolio", mode="before")
    @classmethod
    def _portfolio_of_task(cls, value: object, info: ValidationInfo) -> object:
        """Read it as the task's own settings, so that an error speaks of those only."""
        task = info.data.get("task")
        if info.data.get("output") == "position":
            if value not in ({}, OwnPositions()):
                raise ValueError("with `output: position` models size their own positions; remove it")
            return OwnPositions()
        if isinstance(value, OwnPositions):
            raise ValueError("is missing; add it")
        if task is None or not isinstance(value, Mapping):
            return value
        return TASKS[task].portfolio(value).model_validate(value)

    @classmethod
    def from_yaml(cls, path: str | Path) -> StrategySpec:
        """Read a strategy from `attributes:` of its defs.yaml.

        Parameters
        ----------
        path
            The YAML file, `lim_pipelines/defs/<name>/defs.yaml`.

        Raises
        ------
        SpecError
            The file cannot be read as a strategy: file, line, field and remedy are named.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            content = yaml.safe_load(text)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SpecError(f"{path}: cannot be read as YAML: {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("attributes"), dict):
            raise SpecError(
                f"{path}:1: has no mapping `attributes:`; copy lim_pipelines/defs/wti_transfer/defs.yaml"
            )
        try:
            spec = cls.model_validate(content["attributes"])
        except ValidationError as error:
            raise SpecError("\n".join(_explain(path, root, problem) for problem in error.errors())) from error
        if spec.name != path.parent.name:
            line = _line(root, ("attributes", "name"))
            raise SpecError(
                f"{path}:{line}: name: is {spec.name!r}, must be the folder's name {path.parent.name!r}"
            )
        return spec


def _explain(path: Path, root: yaml.Node | None, problem: Any) -> str:
    """One problem as `file:line: field: remedy`."""
    loc, message = problem["loc"], str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key; remove it or correct its spelling"
    elif problem["type"] == "missing":
        message = "is missing; add it"
    elif problem["type"] == "value_error":
        # A rule over several fields names the one to change at the start of its message.
        head, _, rest = message.partition(": ")
        if not loc and head in StrategySpec.model_fields:
            loc, message = (head,), rest
    else:
        message = f"{message} (is {problem['input']!r})"
    field = ".".join(str(part) for part in loc) or "attributes"
    return f"{path}:{_line(root, ('attributes', *loc))}: {field}: {message}"


def _line(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """Line of the deepest part of a path that the document has, the first line being 1."""
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
