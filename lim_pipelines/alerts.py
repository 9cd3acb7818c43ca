"""Telling people: e-mail, Slack, webhooks and a hundred more, by the addresses that one variable holds.

What does not belong here: what people are told of (`assets/alerts.py`, `assets/sentinel.py`).
"""

from __future__ import annotations

import os

VARIABLE = "LIM_ALERTS"
"""Environment variable with the addresses of those who are told, separated by blanks, as the package Apprise
writes them: `mailtos://...`, `slack://...`, `jsons://host/path` for a webhook. It holds secrets: it is never
shown. Empty or absent: nobody is told."""


class AlertError(RuntimeError):
    """Somebody who was to be told could not be."""


def tell(title: str, body: str) -> int:
    """Tell everybody whom `LIM_ALERTS` names.

    Parameters
    ----------
    title
        One line.
    body
        Plain text.

    Returns
    -------
    int
        How many were told; 0 where nobody is named.

    Raises
    ------
    AlertError
        The package is not installed, an address is none, or a message was not taken. The others were told.
    """
    addresses = os.environ.get(VARIABLE, "").split()
    if not addresses:
        return 0
    try:
        from apprise import Apprise
    except ImportError as error:
        raise AlertError(
            f"{VARIABLE} names somebody, but the package apprise is missing:"
            " pip install 'lim-pipelines[alerts]'"
        ) from error
    failed = []
    for i, address in enumerate(addresses, 1):
        one = Apprise()
        if not one.add(address):
            # Its scheme alone: what follows may be a password.
            failed.append(
                f"address {i} of {VARIABLE} ({address.split(':')[0]}:...) is none that Apprise knows"
            )
        elif not one.notify(title=title, body=body, body_format="text"):
            failed.append(f"address {i} of {VARIABLE} ({address.split(':')[0]}:...) did not take the message")
    if failed:
        raise AlertError("; ".join(failed) + f". {len(addresses) - len(failed)} others were told: {title}")
    return len(addresses)
