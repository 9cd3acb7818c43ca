"""The tests of effectiveness and universality as Dagster makes them, in a home that has nothing yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from inprocess import Lineage, metadata_of

from assets.evaluation import UniversalityConfig
from lim_pipelines.universality.families import Asked


@pytest.mark.parametrize("name", ["effectiveness", "universality"])
def test_an_empty_home_has_a_page_and_an_empty_table(lineage: Lineage, name: str) -> None:
    shown = metadata_of(lineage.run(name), name)
    assert shown["dagster/row_count"] == 0
    page = Path(shown["page"])
    assert page == lineage.path / "reports" / f"{name}.html"
    assert "Nothing to" in page.read_text()


def test_what_the_launchpad_says_is_what_the_library_says() -> None:
    asked = Asked()
    assert UniversalityConfig().model_dump() == {
        name: getattr(asked, name) for name in ("checkpoints", "moments", "names", "few")
    }
