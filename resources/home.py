"""Where the platform keeps its files, as a resource of Dagster.

What does not belong here: which folder is which (`lim_pipelines/places.py`).
"""

from pathlib import Path
from typing import Any

import dagster as dg

from lim_pipelines.lake import Lake
from lim_pipelines.places import Places


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
        return self._places().root

    def lake(self) -> Lake:
        """Open the lake."""
        return self._places().lake()

    def _places(self) -> Places:
        return Places.find(self.root, self.lake_url)

    @property
    def landing(self) -> Path:
        """Folder into which vendors' files are dropped; never written by the platform."""
        return self._places().landing

    @property
    def models(self) -> Path:
        """Folder of checkpoints and strategy models."""
        return self._places().models

    @property
    def windows(self) -> Path:
        """Folder of the window store: series that checkpoints are trained on."""
        return self._places().windows

    @property
    def vectors(self) -> Path:
        """Folder of the vector store."""
        return self._places().vectors

    @property
    def reports(self) -> Path:
        """Folder of HTML reports."""
        return self._places().reports

    @property
    def data_docs(self) -> Path:
        """Folder of the site that shows how the rules hold (`validate/data_docs.py`)."""
        return self.reports / "data_docs"
