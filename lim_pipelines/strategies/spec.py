"""A strategy as its YAML says it: the models' part (`finetune/spec.py`) and how forecasts become positions.

What does not belong here: the Dagster component that holds it (`assets/strategies.py`), the arithmetic of
positions (`portfolio/`). Import-light: Dagster reads specs when it loads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from lim_pipelines.finetune.spec import ModelSpec, Setting


class DirectionalPortfolio(Setting):
    """Position of one instrument: tanh(forecast / scale), sized to a volatility."""

    vol_target: float = Field(default=0.10, gt=0, le=1, description="Annual volatility of a full position.")
    max_leverage: float = Field(
        default=1.0, gt=0, le=10, description="Largest absolute weight of one instrument."
    )


class MarkowitzPortfolio(Setting):
    """Positions of a cross-section: mean against variance and trading cost, net zero."""

    risk_aversion: float = Field(
        default=10.0, gt=0, description="gamma: price of a unit of variance over the horizon."
    )
    gross: float = Field(default=1.0, gt=0, le=10, description="Largest sum of absolute weights.")
    max_position: float = Field(
        default=0.05, gt=0, le=1, description="Largest absolute weight of one instrument."
    )
    rebalance_every: int = Field(
        default=5, ge=1, le=63, description="Sessions from one rebalance to the next."
    )
    risk_sessions: int = Field(
        default=120, ge=20, le=2000, description="Past sessions that the covariance is from."
    )


_PORTFOLIOS: dict[str, type[Setting]] = {
    "directional": DirectionalPortfolio,
    "cross_sectional": MarkowitzPortfolio,
}


class SpecError(ValueError):
    """A strategy's YAML is wrong; the message names file, line, field and remedy."""


class StrategySpec(ModelSpec):
    """All that defines a strategy. Its `digest` is what the trial ledger counts."""

    portfolio: DirectionalPortfolio | MarkowitzPortfolio = Field(
        description="Positions; its fields depend on `task`."
    )

    @field_validator("portfolio", mode="before")
    @classmethod
    def _portfolio_of_task(cls, value: object, info: ValidationInfo) -> object:
        """Read it as the task's own settings, so that an error speaks of those only."""
        model = _PORTFOLIOS.get(info.data.get("task", ""))
        return value if model is None else model.model_validate(value)

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
