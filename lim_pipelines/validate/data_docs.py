"""Data Docs: what Great Expectations found, as pages for people.

What does not belong here: running the rules (`expectations.py`).
"""

from __future__ import annotations

from pathlib import Path


def page_of(table: str) -> Path:
    """Return where a table's page lies below the folder of the site.

    Parameters
    ----------
    table
        Name of a validated table.

    Returns
    -------
    Path
        Relative to `Home.data_docs`.
    """
    return Path(f"{table}.html")
