"""Telling people, against a server of this test: what arrives, and what is said when it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from inbox import Inbox, open_inbox

from lim_pipelines.alerts import VARIABLE, AlertError, tell


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with open_inbox() as one:
        yield one


def test_nobody_is_told_where_nobody_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert tell("title", "body") == 0
    monkeypatch.setenv(VARIABLE, "  ")
    assert tell("title", "body") == 0


def test_everybody_named_is_told(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{inbox.address} {inbox.address}/other")
    assert tell("failed: load_quotes", "XNYS <2018-12-03>\nline two") == 2
    assert [message["title"] for message in inbox.messages] == ["failed: load_quotes"] * 2
    assert inbox.messages[0]["message"] == "XNYS <2018-12-03>\nline two"


def test_who_could_not_be_told_is_named_without_secrets(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"pigeon://secret@loft {inbox.address}")
    with pytest.raises(AlertError, match=r"address 1 of LIM_ALERTS \(pigeon:...\) is none.*1 others") as said:
        tell("title", "body")
    assert "secret" not in str(said.value)
    assert len(inbox.messages) == 1, "the others are told all the same"
    inbox.status = 500
    with pytest.raises(AlertError, match=r"address 2 of LIM_ALERTS \(json:...\) did not take the message"):
        tell("title", "body")
