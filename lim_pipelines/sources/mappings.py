"""Descriptions that people write beside their files: `landing/<source>/<name>/mapping.yaml`.

What does not belong here: what a description may say (the pydantic model of each source that takes one).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.folder import well_named
from lim_pipelines.sources.landed import inside, read_file

MAPPING = "mapping.yaml"
REMEDY = "correct it as docs/adding-a-source.md shows; files of bars are read again when they are touched"

Model = TypeVar("Model", bound=BaseModel)


def mapping(landing: Path, path: str, model: type[Model]) -> Model:
    """Read the description of the feed that a file belongs to.

    Parameters
    ----------
    landing
        The landing folder.
    path
        Path of the file under it: `<source>/<name>/...`.
    model
        What the description may say.

    Raises
    ------
    RejectedFileError
        file_name, no_mapping, wrong_mapping: naming the line of the mapping that is wrong; or that of a
        mapping that may not be read.
    """
    inside(landing, path)
    if not well_named(path):
        raise RejectedFileError(
            path,
            "file_name",
            "its name holds a backslash, or bytes that are not UTF-8 (shown as \\x and two digits)",
            "rename it",
        )
    where = _where(landing, path)
    if where is None:
        source = PurePosixPath(path).parts[0]
        raise RejectedFileError(
            path,
            "no_mapping",
            f"there is no {source}/<name>/{MAPPING} for it",
            REMEDY.replace("correct it", "write one"),
        )
    found: Model | str = _read(read_file(landing, where), where, model)
    if isinstance(found, str):
        raise RejectedFileError(path, "wrong_mapping", found, REMEDY)
    return found


def digest(landing: Path, path: str) -> str:
    """Digest of the description that a file is read by; empty if it has none that may be read."""
    where = _where(landing, path)
    try:
        return hashlib.sha256(read_file(landing, where)).hexdigest()[:16] if where else ""
    except RejectedFileError:
        return ""


def _where(landing: Path, path: str) -> str | None:
    """Path under the landing folder of the description of a file's feed, if there is one."""
    parts = PurePosixPath(path).parts
    where = "/".join((*parts[:2], MAPPING))
    return where if len(parts) > 2 and (landing / where).is_file() else None


def line_of(content: bytes, place: tuple[int | str, ...]) -> int:
    """Line of the deepest node on the way to a place in a mapping that is YAML."""
    node, line = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader), 1
    for step in place:
        if not isinstance(node, yaml.MappingNode):
            break
        found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


@lru_cache(maxsize=64)
def _read(content: bytes, where: str, model: type[Model]) -> Model | str:
    """Read a description, or say what is wrong with it."""
    try:
        text = content.decode("utf-8-sig")
        return model.model_validate(yaml.safe_load(text))
    except UnicodeDecodeError:
        return f"{where} is not UTF-8"
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return f"{where} line {line}: {error.problem or 'no YAML'}"
    except yaml.YAMLError as error:
        return f"{where}: {str(error).splitlines()[0]}"
    except ValidationError as error:
        return "; ".join(
            f"{where} line {line_of(content, problem['loc'])}: {'.'.join(map(str, problem['loc']))}"
            f" {problem['msg'].removeprefix('Value error, ')}".replace(":  ", ": ")
            for problem in error.errors()[:5]
        )
