"""The document lists every planted leak, where it is planted and what found it."""

from __future__ import annotations

from list_of_leaks import DOC, rows, written


def test_the_document_lists_every_leak() -> None:
    assert DOC.read_text() == written(), "run: python tests/leaks/list_of_leaks.py"


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    names = [name for name, _, _ in rows()]
    assert len(names) == len(set(names))
    assert len(names) >= 25
