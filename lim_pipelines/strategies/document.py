"""A strategy's YAML with its line numbers, and what is wrong with it in words: `file:line: field: remedy`.

What does not belong here: what a strategy may say (`spec.py`), what the lake says to it (`check.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml

from lim_pipelines.finetune.setting import Setting, meant

Loc = tuple[int | str, ...]
"""Where something stands below `attributes:`: keys and places in lists."""


class SpecError(ValueError):
    """A strategy's YAML is wrong; the message names file, line, field and remedy."""


class Document:
    """A strategy's YAML file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    SpecError
        It is no YAML, has no mapping `attributes:`, or says a key twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            content = yaml.safe_load(text)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
            line = 1 if mark is None else mark.line + 1
            raise SpecError(f"{path}:{line}: cannot be read as YAML: {error}; correct it") from error
        if not isinstance(content, dict) or not isinstance(content.get("attributes"), dict):
            raise SpecError(
                f"{path}:1: has no mapping `attributes:`; copy lim_pipelines/defs/wti_transfer/defs.yaml"
            )
        self._root = root
        twice = [f"{path}:{line}: {key}: stands here twice; remove one" for key, line in _repeated(root)]
        if twice:
            raise SpecError("\n".join(twice))
        self.attributes: dict[str, Any] = content["attributes"]

    def at(self, loc: Loc, words: str) -> str:
        """Say something of a place: `file:line: field: words`."""
        field = ".".join(str(part) for part in loc) or "attributes"
        return f"{self.path}:{_line(self._root, ('attributes', *loc))}: {field}: {words}"

    def explain(self, problem: Any, model: type[Setting]) -> str:
        """Put one of pydantic's findings into words.

        Parameters
        ----------
        problem
            One of `ValidationError.errors()`.
        model
            What the attributes were read as.
        """
        loc, message = problem["loc"], str(problem["msg"]).removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = _keys(model, loc[:-1])
            message = f"unknown key{meant(str(loc[-1]), known)}; remove it or correct its spelling"
            if loc[-1] in known:
                message = f"belongs to another kind of {loc[-2]} (docs/strategies.md); remove it"
        elif problem["type"] == "missing":
            message = "is missing; add it"
        elif problem["type"] == "value_error":
            # A rule over several fields names the one to change at the start of its message.
            head, _, rest = message.partition(": ")
            if not loc and head.split(".")[0] in model.model_fields:
                loc, message = tuple(head.split(".")), rest
        else:
            like = ""
            if problem["type"] == "literal_error":
                like = meant(str(problem["input"]), re.findall(r"'([^']+)'", problem["ctx"]["expected"]))
            message = f"{message}{like} (is {problem['input']!r}); correct it"
        return self.at(loc, message)


def _keys(model: type[Setting], loc: Sequence[int | str]) -> set[str]:
    """Keys that may stand at a place."""
    models = {model}
    for part in map(str, loc):
        annotations = [one.model_fields[part].annotation for one in models if part in one.model_fields]
        models = {found for annotation in annotations for found in _settings(annotation)}
    return {key for one in models for key in one.model_fields}


def _settings(annotation: Any) -> Iterator[type[Setting]]:
    if isinstance(annotation, type) and issubclass(annotation, Setting):
        yield annotation
    for part in get_args(annotation):
        yield from _settings(part)


def _repeated(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Keys that stand in one mapping twice, and the line of the second."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)


def _line(node: yaml.Node | None, path: Loc) -> int:
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
