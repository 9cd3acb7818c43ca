"""Dagster on a real Postgres of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

from own_postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def production_dagster(folder: Path) -> Iterator[Postgres]:
    """Point Dagster and the platform to a folder, with the production settings on a Postgres of its own."""
    (folder / "dagster").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "dagster.yaml", folder / "dagster" / "dagster.yaml")
    server = Postgres(folder / "postgres")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIM_POSTGRES_URL", server.start())
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        patch.setenv("LIM_HOME", str(folder / "home"))
        try:
            yield server
        finally:
            server.stop()
