"""Where the real vendor files are; tests that need them say why they skip.

The files are nobody's to copy into this repository: their licences differ. Beside every test that reads them
stands one that writes a small simulated file of the same shape, and always runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "LIM_SHARED_DATA"
BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


def folder(name: str) -> Path:
    """Return a folder of real vendor files; skip the test where it is absent.

    Parameters
    ----------
    name
        Name of the folder, such as `lean_sample`.

    Returns
    -------
    Path
        The folder, which is there: under the environment variable LIM_SHARED_DATA, or else in `shared/data`
        beside the repository.
    """
    root = Path(os.environ.get(VARIABLE) or BESIDE_THE_REPOSITORY)
    path = root / name
    if not path.is_dir():
        pytest.skip(f"no vendor data: {path} is not there; set {VARIABLE} to the folder that holds {name}")
    return path
