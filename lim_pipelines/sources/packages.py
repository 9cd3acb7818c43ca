"""Real quotes that ride in Python packages: finding the file and reading it as text.

What does not belong here: which file holds what (a source file each), daily rows (`daily.py`). The
packages are never imported: arch alone would bring pandas and statsmodels with it.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import SourceFile
from lim_pipelines.sources.daily import text_table

SCHEME = "package://"


class MissingPackageError(RuntimeError):
    """A package that carries embedded quotes, or the file in it, is not installed."""


def locate(path: str) -> Path:
    """Return where `package://<package>/<file>` lies on disk.

    Raises
    ------
    MissingPackageError
        The package or the file is not there.
    """
    package, inner = path.removeprefix(SCHEME).split("/", 1)
    spec = find_spec(package)
    found = (
        Path(spec.submodule_search_locations[0]) / inner if spec and spec.submodule_search_locations else None
    )
    if found is None or not found.is_file():
        raise MissingPackageError(
            f"{path}: no such file in the environment; install {package} as pyproject.toml says"
        )
    return found


def package_file(source: str, path: str, exchanges: frozenset[str]) -> SourceFile:
    """Describe a file of an installed package; it arrived when the package was installed."""
    where = locate(path)
    stat = where.stat()
    return SourceFile(
        source=source,
        path=path,
        bytes=stat.st_size,
        arrived_at=datetime.fromtimestamp(stat.st_mtime, UTC),
        exchanges=exchanges,
        history=True,
    )


def read_text_table(path: str) -> pl.DataFrame:
    """Read a packaged csv, all columns as text, with its line numbers in `line` (the header is line 1)."""
    where = locate(path)
    return _read(where, where.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read(where: Path, mtime_ns: int) -> pl.DataFrame:
    content = where.read_bytes()
    return text_table(gzip.decompress(content) if where.suffix == ".gz" else content)
