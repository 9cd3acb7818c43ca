"""Defects planted into real vendor files: each is caught by its rule, and nothing was there before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from planted_defects import DEFECTS, Defect
from planted_vendors import VENDORS, Found, through

Load = Callable[[str, str], Found]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Each vendor's files with the defects of a load, read once; load "" is the files as they are."""
    done: dict[tuple[str, str], Found] = {}

    def loaded(vendor: str, name: str) -> Found:
        if (vendor, name) not in done:
            texts, root = VENDORS[vendor].read(), tmp_path_factory.mktemp(vendor)
            for defect in DEFECTS:
                if (defect.vendor, defect.load) == (vendor, name):
                    defect.plant(texts)
            VENDORS[vendor].write(root / "landing", texts)
            done[vendor, name] = through(root, VENDORS[vendor].source)
        return done[vendor, name]

    return loaded


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.vendor}: {defect.name}")
def test_a_planted_defect_is_caught_by_its_rule(load: Load, defect: Defect) -> None:
    found = load(defect.vendor, defect.load)
    assert found.has(defect.rule, defect.day, defect.says), found.on(defect.day)
    assert not load(defect.vendor, "").has(defect.rule, defect.day, defect.says), "it was there before"


def test_there_are_sixty_and_none_is_there_twice() -> None:
    assert len(DEFECTS) >= 60
    assert len({(defect.vendor, defect.name) for defect in DEFECTS}) == len(DEFECTS)
