"""Where the platform keeps its files.

What does not belong here: what is in the files (`lim_pipelines`).
"""

import os
from pathlib import Path
from typing import Any

import dagster as dg

from lim_pipelines.lake import Lake


class Home(dg.ConfigurableResource[Any]):
    """The folder below which everything is kept.

    Parameters
    ----------
    root
        Folder. Empty means the environment variable LIM_HOME, read when used, and without it `.lim` in the
        working folder.
    lake_url
        Where the lake lies if not in the folder `lake` below `root`: an S3 URL, s3://bucket/folder. Empty
        means the environment variable LIM_LAKE_URL, read when used. Credentials and endpoint come from the
        usual AWS_* environment variables.
    """

    root: str = ""
    lake_url: str = ""

    @property
    def path(self) -> Path:
        """The folder itself, absolute."""
        return Path(self.root or os.environ.get("LIM_HOME", ".lim")).resolve()

    def lake(self) -> Lake:
        """Open the lake."""
        return Lake(self.lake_url or os.environ.get("LIM_LAKE_URL") or self.path / "lake")

    @property
    def landing(self) -> Path:
        """Folder into which vendors' files are dropped; never written by the platform."""
        return self.path / "landing"

    @property
    def models(self) -> Path:
        """Folder of checkpoints and strategy models."""
        return self.path / "models"

    @property
    def vectors(self) -> Path:
        """Folder of the vector store."""
        return self.path / "vectors"

    @property
    def reports(self) -> Path:
        """Folder of HTML reports."""
        return self.path / "reports"

    @property
    def data_docs(self) -> Path:
        """Folder of the site that shows how the rules hold (`validate/data_docs.py`)."""
        return self.reports / "data_docs"
