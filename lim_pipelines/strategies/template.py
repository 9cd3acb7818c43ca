"""The YAML that a new strategy begins with: valid, and to be changed.

What does not belong here: where it is written (`assets/strategies.py`, `dg scaffold defs`).
"""

from __future__ import annotations

import re
from pathlib import Path

from lim_pipelines.strategies.document import SpecError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def template(name: str) -> str:
    """Return the YAML of a new strategy.

    Raises
    ------
    SpecError
        It cannot be called that.
    """
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} is no strategy's name; take small letters, digits and underscores, such as"
            f" {re.sub(r'[^a-z0-9_]+', '_', name.lower()).strip('_0123456789') or 'my_strategy'}"
        )
    text = Path(__file__).with_name("template.yaml").read_text(encoding="utf-8")
    return text.replace("NAME", name, 1)
