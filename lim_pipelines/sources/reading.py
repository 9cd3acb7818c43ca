"""Reading many files at once: in parallel threads, in bounded memory, with a result that has one order.

What does not belong here: any vendor's format (a source file each), which files there are (`folder.py`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import polars as pl

from lim_pipelines.sources.base import RejectedFileError, SourceFile
from lim_pipelines.sources.folder import refuse_if_changed

THREADS = min(4, os.cpu_count() or 1)
"""Files read at once. Each may fill the limits of `landed.py` and one block; polars works outside the GIL."""

READER_FAILED = "reader_failed"
"""Rule of a file on which its reader broke down: a mistake in the program, not (only) in the file."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Block = TypeVar("Block", covariant=True)


class Reader(Protocol[Block]):
    """What sources of quotes and of alternative data have in common: files read in blocks."""

    @property
    def name(self) -> str:
        """Name of the source."""

    def read(self, file: SourceFile, landing: Path) -> Iterator[Block]:
        """Parse one file, block by block."""


def in_order(
    task: Callable[[Item], Result], items: Iterable[Item], threads: int = THREADS
) -> Iterator[Result]:
    """Work on items in parallel and yield the results in the items' order.

    At most `threads` items are begun beyond the one whose result is awaited, so that results do not pile up.

    Parameters
    ----------
    task
        What is done with each item; an exception ends the work at that item.
    items
        Taken one by one, as threads become free.
    threads
        How many at once.
    """
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[Result]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(task, item))
                if len(begun) > threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def read_blocks(source: Reader[Block], file: SourceFile, landing: Path) -> Iterator[Block]:
    """Parse one file, block by block, as the source does.

    Raises
    ------
    RejectedFileError
        What the source raises; changed_while_reading if a landed file is no longer the one that was listed:
        its rows would be dated before they arrived; and `reader_failed` where the reader itself breaks down
        on a landed file, so that one odd file does not keep all others out. A full disk or memory is not the
        file's fault and passes through.
    """
    try:
        yield from source.read(file, landing)
        if "://" not in file.path:
            refuse_if_changed(file, landing)
    except (RejectedFileError, OSError, MemoryError):
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        if "://" in file.path:
            raise
        message = str(error).strip().split("\n")[0][:300]
        raise RejectedFileError(
            file.path,
            READER_FAILED,
            f"the reader of {source.name} broke down: {type(error).__name__}: {message}",
            "report it with the file; it is tried again with every load",
        ) from error
