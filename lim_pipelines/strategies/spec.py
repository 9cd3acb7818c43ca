"""A strategy as its YAML says it: the models' part (`finetune/spec.py`) and how forecasts become positions.

What does not belong here: the Dagster component that holds it (`assets/strategies.py`), the arithmetic of
positions (`portfolio/`). Import-light: Dagster reads specs when it loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from lim_pipelines.finetune.setting import meant
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.strategies.document import Document, SpecError
from lim_pipelines.strategies.execution import Execution
from lim_pipelines.strategies.portfolios import Optimised, OwnPositions, Portfolio
from lim_pipelines.strategies.registry import TASKS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class StrategySpec(ModelSpec):
    """All that defines a strategy. Its `digest` is what the trial ledger counts."""

    portfolio: Portfolio = Field(
        default=OwnPositions(),
        validate_default=True,
        description="How forecasts become positions; its fields depend on `task`. Not of `output: position`.",
    )
    execution: Execution = Field(
        default=Execution(), description="How targets are traded: when, at which price, with how much money."
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

    @property
    def reads_industries(self) -> bool:
        """Whether decisions ask who belongs to which industry."""
        return isinstance(self.portfolio, Optimised) and self.portfolio.reads_industries

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
        return cls.of(Document(Path(path)))

    @classmethod
    def of(cls, document: Document) -> StrategySpec:
        """Read a strategy from a document; as `from_yaml`."""
        try:
            spec = cls.model_validate(document.attributes)
        except ValidationError as error:
            raise SpecError(
                "\n".join(document.explain(problem, cls) for problem in _causes(error.errors()))
            ) from error
        folder = document.path.parent.name
        if spec.name != folder:
            words = f"is {spec.name!r}, must be the folder's name {folder!r}; rename one of them"
            raise SpecError(document.at(("name",), words))
        return spec


def _causes(problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out what follows from another finding.

    A list is too short once its wrong items are gone; a key is missing that stands there misspelt.
    """
    places = [problem["loc"] for problem in problems]
    unknown = [problem["loc"] for problem in problems if problem["type"] == "extra_forbidden"]

    def follows(problem: ErrorDetails) -> bool:
        own = problem["loc"]
        if problem["type"] == "missing":
            return any(at[:-1] == own[:-1] and meant(str(at[-1]), [str(own[-1])]) for at in unknown)
        return any(len(at) > len(own) and at[: len(own)] == own for at in places)

    return [problem for problem in problems if not follows(problem)]
