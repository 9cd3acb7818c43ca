"""The YAML that a new strategy begins with: that of an example, valid, under a name of its own.

What does not belong here: where it is written (`assets/strategies.py`, `dg scaffold defs`). The examples are
`lim_pipelines/examples/<name>/defs.yaml`: beside `defs`, whose strategies are loaded and retrained, and as
deep, so that the schema's relative path in their first line is right in both places.
"""

from __future__ import annotations

import re
from pathlib import Path

from lim_pipelines.finetune.setting import meant
from lim_pipelines.strategies.document import SpecError

EXAMPLES = Path(__file__).parents[1] / "examples"
"""Folder of the strategies to begin with, one folder each; none of them is loaded."""

SHORTEST = "oil"
"""The example that is taken if none is named: it says no more than a strategy must."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def examples() -> tuple[str, ...]:
    """Return the names of all examples."""
    return tuple(sorted(path.parent.name for path in EXAMPLES.glob("*/defs.yaml")))


def template(name: str, example: str = SHORTEST) -> str:
    """Return the YAML of a new strategy.

    Parameters
    ----------
    name
        What it is to be called; its folder must be called the same.
    example
        The example that it begins as.

    Raises
    ------
    SpecError
        It cannot be called that, or there is no such example.
    """
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} is no strategy's name; take small letters, digits and underscores, such as"
            f" {re.sub(r'[^a-z0-9_]+', '_', name.lower()).strip('_0123456789') or 'my_strategy'}"
        )
    known = examples()
    if example not in known:
        raise SpecError(f"no example {example!r}{meant(example, known)}; there are {', '.join(known)}")
    text = (EXAMPLES / example / "defs.yaml").read_text(encoding="utf-8")
    return text.replace(f"\n  name: {example}\n", f"\n  name: {name}\n", 1)
