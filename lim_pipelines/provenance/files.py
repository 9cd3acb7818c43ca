"""Where raw rows come from: files of the landing folder, of packages, and what is simulated.

What does not belong here: rows (`rows.py`), reading files (`sources/`).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.provenance.tree import Node
from lim_pipelines.schemas import LANDING_FILES
from lim_pipelines.sources.folder import entry_at, sha256_of
from lim_pipelines.sources.packages import SCHEME, MissingPackageError, locate

SIMULATED = "simulate://"
_CODE = "lim_pipelines/"
"""What is written down in the code itself: embedded listings, curated entities."""


class Files:
    """Vendors' files as the ledger knows them and as they lie there.

    Parameters
    ----------
    landing
        The landing folder.
    ledger
        Frame of `LANDING_FILES`.
    """

    def __init__(self, landing: Path, ledger: pl.DataFrame) -> None:
        self.landing = landing
        columns = ["path", "sha256", "bytes", "arrived_at", "modified_at", "state", "history"]
        per_content = ledger.group_by(columns).agg(pl.col("rows", "rows_rejected").sum())
        self._known: dict[str, list[dict[str, Any]]] = {}
        for line in per_content.sort("arrived_at", "sha256").iter_rows(named=True):
            self._known.setdefault(line["path"], []).append(line)

    def contents(self, path: str) -> list[dict[str, Any]]:
        """Lines of the ledger about a file, one a content, in order of arrival."""
        return self._known.get(landed(path), [])

    def unsound(self, path: str) -> str:
        """Say why rows of a file cannot be read again as they were; empty if they can.

        The file is hashed: it must be the one content that the ledger has ever seen under that path.
        """
        path = landed(path)
        if path.startswith(SIMULATED):
            return ""
        if path.startswith(SCHEME):
            try:
                locate(path)
            except MissingPackageError as error:
                return str(error)
            return ""
        contents, today = self.contents(path), sha256_of(self.landing, path)
        before = [line["sha256"] for line in contents if line["state"] != "present"]
        if not today:
            known = ", ".join(line["sha256"] for line in contents) or "unknown to the ledger"
            return f"{path} is gone from {self.landing} (sha256 {known}); drop that file again"
        if not contents:
            return f"{path} (sha256 {today}) is not in the ledger; materialise landing_files"
        if today not in {line["sha256"] for line in contents}:
            seen = ", ".join(line["sha256"] for line in contents)
            return f"{path} was changed since it was read: sha256 {seen} then, {today} now"
        if before:
            return f"{path} had other contents before (sha256 {', '.join(before)}), which are gone"
        return ""

    def replaced(self, file: str) -> bool:
        """Whether a file of the landing folder came several times, and what lies there is what came last."""
        path = landed(file)
        if "://" in path:
            return False
        contents = self.contents(path)
        last = max(contents, key=lambda line: line["arrived_at"], default=None)
        return len(contents) > 1 and last is not None and last["sha256"] == sha256_of(self.landing, path)

    def node(self, path: str, facts: dict[str, Any]) -> Node:
        """Describe a file.

        Parameters
        ----------
        path
            As raw rows name it.
        facts
            What the rows made of it say.
        """
        path = landed(path)
        if path.startswith(SIMULATED):
            seed = path.rpartition("seed=")[2]
            return Node(path, {"simulated with seed": seed, **facts}, identity=path)
        if path.startswith(SCHEME):
            return _package(path, facts)
        if path.startswith(_CODE):
            return Node(path, {"embedded in": f"lim-pipelines {metadata.version('lim-pipelines')}", **facts})
        return self._landed(path, facts)

    def _landed(self, path: str, facts: dict[str, Any]) -> Node:
        contents = self.contents(path)
        entry = entry_at(self.landing, path)
        lines = {
            f"content {line['sha256'][:16]}"
            if len(contents) > 1
            else "content": f"sha256 {line['sha256']}, {line['bytes']:,} bytes, arrived"
            f" {_minute(line['arrived_at'])}{', declared history' if line['history'] else ''},"
            f" {line['rows']:,} rows accepted, {line['rows_rejected']:,} rejected, {line['state']}"
            for line in contents
        }
        if entry is None:
            warning = f"no longer in {self.landing}"
        elif not contents:
            warning = "not in the ledger of files (materialise landing_files)"
            lines = {"content": f"sha256 {sha256_of(self.landing, path)}, {entry.bytes:,} bytes"}
        elif not any(
            (line["bytes"], line["modified_at"]) == (entry.bytes, entry.modified_at) for line in contents
        ):
            warning = "changed since the ledger saw it (materialise landing_files)"
        else:
            warning = ""
        return Node(f"landing/{path}", {**lines, **facts}, warning, identity=path)


def open_files(landing: Path, ledger: pl.LazyFrame) -> Files:
    """Take what the ledger says of files.

    Parameters
    ----------
    landing
        The landing folder.
    ledger
        Rows of `LANDING_FILES`.
    """
    return Files(landing, ledger.select(LANDING_FILES.schema.names()).collect())


def landed(file: str) -> str:
    """Path of the file that holds a row: rows of archives name the archive, #, and the name inside."""
    return file if "://" in file else file.split("#", 1)[0]


def _package(path: str, facts: dict[str, Any]) -> Node:
    package = path.removeprefix(SCHEME).split("/", 1)[0]
    try:
        where = locate(path)
        version = metadata.version(package)
    except (MissingPackageError, metadata.PackageNotFoundError) as error:
        return Node(path, facts, str(error), identity=path)
    content = {
        "package": f"{package} {version}",
        "content": f"sha256 {_sha256(where)}, {where.stat().st_size:,} bytes",
    }
    return Node(path, {**content, **facts}, identity=path)


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
