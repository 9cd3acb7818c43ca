"""Where the platform keeps its files, by one root folder.

What does not belong here: what is in the files (the rooms), Dagster's resource (`resources/home.py`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lim_pipelines.lake import Lake


@dataclass(frozen=True)
class Places:
    """Folders below the folder that everything is kept in.

    Parameters
    ----------
    root
        The folder, absolute.
    lake_url
        Where the lake lies if not in the folder `lake` below `root`: an S3 URL; empty if it does.
    """

    root: Path
    lake_url: str = ""

    @classmethod
    def find(cls, root: str = "", lake_url: str = "") -> Places:
        """Find them: as named, else by the environment variables LIM_HOME and LIM_LAKE_URL, else `.lim` here.

        Parameters
        ----------
        root, lake_url
            Folder and lake; empty if not named.
        """
        folder = Path(root or os.environ.get("LIM_HOME", ".lim")).resolve()
        return cls(folder, lake_url or os.environ.get("LIM_LAKE_URL", ""))

    def lake(self) -> Lake:
        """Open the lake."""
        return Lake(self.lake_url or self.root / "lake")

    @property
    def landing(self) -> Path:
        """Folder into which vendors' files are dropped; never written by the platform."""
        return self.root / "landing"

    @property
    def models(self) -> Path:
        """Folder of checkpoints and strategy models."""
        return self.root / "models"

    @property
    def windows(self) -> Path:
        """Folder of the window store: series that checkpoints are trained on."""
        return self.root / "windows"

    @property
    def vectors(self) -> Path:
        """Folder of the vector store."""
        return self.root / "vectors"

    @property
    def reports(self) -> Path:
        """Folder of HTML reports."""
        return self.root / "reports"
