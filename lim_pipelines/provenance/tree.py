"""A tree of what was made of what: its nodes, unfolding it, showing it to people and to machines.

What does not belong here: what the nodes say (`models.py`, `rows.py`, `files.py`).

Branches are lists of keys and a way to make the node of each: what is folded away is never looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.tree import Tree


@dataclass(frozen=True)
class Node:
    """One thing on the way from a number to raw files.

    Parameters
    ----------
    what
        What it is, in one line.
    facts
        What is known of it, by name: hashes, versions, seeds, counts.
    warning
        What is wrong with it; empty if nothing is.
    branches
        What it was made of.
    identity
        Two nodes of the same identity are the same thing, which is shown once. Empty: it is shown each time.
    """

    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    warning: str = ""
    branches: tuple[Branch, ...] = ()
    identity: str = ""


@dataclass(frozen=True)
class Branch:
    """Things of one kind that a node was made of.

    Parameters
    ----------
    of
        Their kind, in the plural.
    keys
        One a thing, in the order in which they are shown.
    make
        Key to node.
    shown
        How many are shown; the others are counted. `unfold` with `every` shows all.
    """

    of: str
    keys: Sequence[str]
    make: Callable[[str], Node]
    shown: int = 3


def branch(of: str, nodes: Sequence[Node], shown: int = 3) -> Branch:
    """Make a branch of nodes that are there already."""
    by_place = {str(i): node for i, node in enumerate(nodes)}
    return Branch(of, list(by_place), by_place.__getitem__, shown)


Unfolded = dict[str, Any]
"""A tree as JSON holds it: what, facts, warning, children (of the same form), folded (in words)."""


def unfold(node: Node, depth: int | None = None, every: bool = False) -> Unfolded:
    """Look a tree up.

    Parameters
    ----------
    node
        Its root.
    depth
        Levels below the root; None for all.
    every
        Whether to show all things of each branch, and a thing as often as it is used.

    Returns
    -------
    dict
        what (str), facts (dict), warning (str), children (list of such dicts), folded (list of str: what is
        not shown).
    """
    return _unfold(node, depth, every, set())


def _unfold(node: Node, depth: int | None, every: bool, seen: set[str]) -> Unfolded:
    out: Unfolded = {
        "what": node.what,
        "facts": dict(node.facts),
        "warning": node.warning,
        "children": [],
        "folded": [],
    }
    if node.identity and node.identity in seen and not every:
        out["folded"] = ["shown above"] if node.branches else []
        return out
    seen.add(node.identity)
    for part in node.branches:
        shown = 0 if depth == 0 else len(part.keys) if every else part.shown
        below = None if depth is None else depth - 1
        out["children"] += [_unfold(part.make(key), below, every, seen) for key in part.keys[:shown]]
        rest = part.keys[shown:]
        if rest:
            span = rest[0] if len(rest) == 1 else f"{rest[0]} to {rest[-1]}"
            named = "" if rest[0].isdigit() else f": {span}"
            how = "--depth" if depth == 0 else "--all"
            out["folded"].append(f"{len(rest):,} {'more ' if shown else ''}{part.of}{named} ({how})")
    return out


def warnings_of(tree: Unfolded) -> list[str]:
    """Everything that is wrong in a tree, each thing once, in order."""
    found = [f"{tree['what']}: {tree['warning']}"] if tree["warning"] else []
    for child in tree["children"]:
        found += warnings_of(child)
    return list(dict.fromkeys(found))


_SHORT, _LINE = 36, 120
"""Characters of a fact that shares its line with others, and of such a line."""


def show(tree: Unfolded) -> Tree:
    """Draw a tree for people."""
    from rich.text import Text
    from rich.tree import Tree

    label = Text(tree["what"], style="bold")
    room = 0
    for name, value in tree["facts"].items():
        words = said(value)
        # What is short stands side by side.
        room = 0 if len(words) > _SHORT else room - len(name) - len(words)
        label.append("\n" if room <= 0 else "; ")
        label.append(f"{name}: ", style="not bold dim")
        label.append(words, style="not bold")
        room = 0 if len(words) > _SHORT else room if room > 0 else _LINE - len(name) - len(words)
    if tree["warning"]:
        label.append(f"\n! {tree['warning']}", style="bold red")
    drawn = Tree(label, guide_style="dim")
    for child in tree["children"]:
        drawn.children.append(show(child))
    for line in tree["folded"]:
        drawn.add(Text(f"... {line}", style="dim italic"))
    return drawn


def said(value: Any) -> str:
    """Say a fact in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(said(one) for one in value)
    return str(value)
