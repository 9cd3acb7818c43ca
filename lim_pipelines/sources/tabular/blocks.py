"""Delimited text cut into blocks of whole lines, in UTF-8, with running line numbers.

What does not belong here: opening files and archives (`landed.py`), what fields mean (the rest of this
package).
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lim_pipelines.sources.archives import Stream
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.tabular.format import Origin, TableFormat

BLOCK_BYTES = 8 * 2**20
"""Fifty to a hundred thousand lines of bars; larger blocks cost memory and, for its sake, time."""
_LONGEST_LINE = 32 * 2**20
_BLANK = b" \t\r\n"
_BREAK = b"\n"


@dataclass(frozen=True)
class Block:
    """Whole lines of a table.

    Parameters
    ----------
    content
        UTF-8 without NUL, ends with a line break.
    line
        Number of its first line in the file, which begins with 1.
    breaks
        Number of its line breaks.
    """

    content: bytes
    line: int
    breaks: int


@dataclass(frozen=True)
class Text:
    """A table of text: its header line and its blocks of rows."""

    header: str | None
    blocks: Iterator[Block]


def open_text(content: bytes | Stream, form: TableFormat, origin: Origin) -> Text:
    """Read the header line, and cut the rest into blocks.

    Parameters
    ----------
    content
        The text, or a stream of it.
    form, origin
        Encoding, lines to skip and whether there is a header; where errors happened.

    Raises
    ------
    RejectedFileError
        empty_file, encoding, truncated, line_length. Also while the blocks are read.
    """
    stream: Stream = io.BytesIO(content) if isinstance(content, bytes) else content
    blocks = _blocks(stream, form, origin.path)
    first = next(blocks, None)
    skip = form.skip_rows + (form.header is None)
    header = None
    for number in range(skip):
        if first is None:
            break
        end = first.content.find(b"\n") + 1
        if number == skip - 1 and form.header is None:
            header = first.content[:end].decode().rstrip("\r\n")
        first = Block(first.content[end:], first.line + 1, first.breaks - 1)
    if first is None or (header is None and form.header is None):
        raise RejectedFileError(origin.path, "empty_file", "it holds nothing", "drop the complete file again")
    return Text(header, _chain(first, blocks, origin.path))


def _chain(first: Block, blocks: Iterator[Block], path: str) -> Iterator[Block]:
    found = False
    block: Block | None = first
    while block is not None:
        if not _blank(block.content):
            found = True
            yield block
        block = next(blocks, None)
    if not found:
        raise RejectedFileError(
            path, "empty_file", "it holds a header and no rows", "drop the complete file again"
        )


def _blocks(stream: Stream, form: TableFormat, path: str) -> Iterator[Block]:
    """Cut at line breaks; the first block is not blank."""
    line, seen = 1, False
    for content in _whole_lines(stream, form, path):
        _check(content, line, path, form)
        breaks = count_byte(content, 10)
        if seen or not _blank(content):
            seen = True
            yield Block(content, line, breaks)
        line += breaks


def count_byte(content: bytes, code: int) -> int:
    """How often a byte occurs; a good deal faster than `bytes.count` where it is frequent."""
    values = np.frombuffer(content, np.uint8)
    step = 2**18  # A piece at a time, so that it stays in the processor's cache.
    return sum(int(np.count_nonzero(values[i : i + step] == code)) for i in range(0, len(values), step))


def _blank(content: bytes) -> bool:
    # The long strip would copy the whole block.
    return not content[:1000].strip(_BLANK) and not content.strip(_BLANK)


def _whole_lines(stream: Stream, form: TableFormat, path: str) -> Iterator[bytes]:
    """Pieces of about `BLOCK_BYTES` that end with a line break."""
    ready, rest, line = b"", b"", 1
    for chunk in _utf8(stream, form.encoding):
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            rest += chunk
            if len(rest) > _LONGEST_LINE:
                at = line + ready.count(b"\n")
                raise RejectedFileError(
                    path, "line_length", f"line {at} has no end", "save the file with line breaks"
                )
            continue
        if ready:
            line += ready.count(b"\n")
            yield ready
        ready, rest = b"".join((rest, memoryview(chunk)[:cut])), chunk[cut:]
    if rest.strip(_BLANK):
        if form.final_line_break:
            _check(ready + rest, line, path, form)  # Text in another encoding does not look finished.
            raise RejectedFileError(
                path,
                "truncated",
                f"line {line + ready.count(_BREAK)} does not end with a line break, it may be cut",
                "drop the complete file again; if it is complete, end it with a line break",
            )
        ready += rest + b"\n"
    if ready:
        yield ready


def _utf8(stream: Stream, encoding: str) -> Iterator[bytes]:
    """Chunks of a stream as UTF-8, without byte order mark."""
    plain = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    decoder = None if plain else codecs.getincrementaldecoder(encoding)(errors="replace")
    first = True
    while chunk := stream.read(BLOCK_BYTES):
        if decoder is not None:
            chunk = decoder.decode(chunk).encode()
        if first:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
            first = False
        yield chunk


def _check(content: bytes, line: int, path: str, form: TableFormat) -> None:
    remedy = "save the file as UTF-8" if form.encoding == "utf-8" else f"save the file as {form.encoding}"
    if not content.isascii():
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            at = line + content.count(b"\n", 0, error.start)
            raise RejectedFileError(path, "encoding", f"line {at} is not UTF-8", remedy) from error
        if form.encoding != "utf-8" and "�" in text:
            at = line + text.count("\n", 0, text.index("�"))
            raise RejectedFileError(path, "encoding", f"line {at} is not {form.encoding}", remedy)
    if b"\0" in content:
        raise RejectedFileError(path, "encoding", "it holds NUL characters", remedy)
