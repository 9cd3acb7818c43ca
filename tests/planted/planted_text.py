"""A vendor's text table whose lines are changed one by one, as an error at the vendor would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Change = str | Callable[[float], float]


@dataclass
class Lines:
    """Lines of a table; the header (if it has one) is line 0 and names the columns."""

    columns: list[str]
    lines: list[str]

    def at(self, *starts: str) -> int:
        """Index of the one line whose first fields begin as given."""
        found = [
            i
            for i, line in enumerate(self.lines)
            if all(field.startswith(start) for field, start in zip(line.split(","), starts, strict=False))
        ]
        assert len(found) == 1, f"{starts} is on {len(found)} lines"
        return found[0]

    def changed(self, index: int, **changes: Change) -> str:
        """The line with some fields set, or computed from what they were."""
        fields = self.lines[index].split(",")
        for name, change in changes.items():
            place = self.columns.index(name)
            fields[place] = change if isinstance(change, str) else f"{change(float(fields[place])):.10g}"
        return ",".join(fields)

    def set(self, *starts: str, **changes: Change) -> None:
        """Change fields of one line."""
        index = self.at(*starts)
        self.lines[index] = self.changed(index, **changes)

    def swap(self, *starts: str, one: str, other: str) -> None:
        """Exchange two fields of one line."""
        fields = self.lines[self.at(*starts)].split(",")
        self.set(*starts, **{one: fields[self.columns.index(other)], other: fields[self.columns.index(one)]})

    def again(self, *starts: str, **changes: Change) -> None:
        """Put a line a second time behind itself, with some fields changed."""
        index = self.at(*starts)
        self.lines.insert(index + 1, self.changed(index, **changes))

    def copy(self, to: str, since: str, *names: str, lines: int = 1) -> None:
        """Repeat fields of one line in those that follow another."""
        fields = self.lines[self.at(since)].split(",")
        start = self.at(to)
        for index in range(start, start + lines):
            self.lines[index] = self.changed(
                index, **{name: fields[self.columns.index(name)] for name in names}
            )

    def scale(self, since: str, factor: float, *names: str) -> None:
        """Multiply fields from one line on to the end."""
        for index in range(self.at(since), len(self.lines)):
            self.lines[index] = self.changed(index, **{name: lambda old: old * factor for name in names})

    def leave_out(self, *starts: str, lines: int = 1) -> None:
        """Remove lines."""
        index = self.at(*starts)
        del self.lines[index : index + lines]

    @property
    def text(self) -> str:
        """The table."""
        return "\n".join(self.lines) + "\n"


Texts = dict[str, Lines]
"""Files of a vendor by a short name."""
