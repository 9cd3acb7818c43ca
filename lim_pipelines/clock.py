"""The present moment, asked for in one place: what hangs on it can be tried at any moment.

What does not belong here: durations (`time.perf_counter`), moments that files or Dagster's records carry.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

VARIABLE = "LIM_CLOCK"
"""Environment variable that may name a file with the moment, ISO 8601: to try sensors as of another day."""


class ClockError(ValueError):
    """The file that is to say the moment does not."""


def now() -> datetime:
    """Return the present moment, UTC: that of the machine, or what the file named by `LIM_CLOCK` says.

    Raises
    ------
    ClockError
        The file is not there, or holds no moment with a zone.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(Path(path).read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ClockError(f"{VARIABLE} names {path}: {error}; write a moment into it or unset it") from error
    if moment.tzinfo is None:
        raise ClockError(f"{VARIABLE} names {path}: {moment} has no zone; write {moment}+00:00")
    return moment.astimezone(UTC)
