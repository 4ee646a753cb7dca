"""Outputs line by line: cut, searched, marked. Pure, and never more of a line in memory than MOST_LINE bytes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

MOST_LINE = 64 * 1024
"""Bytes; what is longer goes on as if a further line began, so that no search ever gets more."""
SEPARATOR = b"--\n"


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their ends; the last one may have none."""
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        yield from _whole(rest)
    if rest:
        yield bytes(rest)


def _whole(rest: bytearray) -> Iterator[bytes]:
    """Take the whole lines from the front of a buffer."""
    start = 0
    while True:
        end = rest.find(b"\n", start, start + MOST_LINE)
        if end < 0 and len(rest) - start < MOST_LINE:
            break
        end = end + 1 if end >= 0 else start + MOST_LINE
        yield bytes(rest[start:end])
        start = end
    del rest[:start]


class Lines:
    """The same, of bytes that are fed as they come."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are whole now."""
        self._rest += data
        yield from _whole(self._rest)

    def finish(self) -> Iterator[bytes]:
        """What is left without an end."""
        if self._rest:
            yield bytes(self._rest)
            self._rest.clear()


def first(lines: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The first lines."""
    return islice(lines, count)


def last(lines: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The last lines."""
    yield from deque(lines, maxlen=count)


def matching(lines: Iterable[bytes], pattern: re.Pattern[bytes], context: int = 0) -> Iterator[bytes]:
    """The lines in which a pattern is found, with `context` lines around each, and SEPARATOR between runs."""
    before: deque[bytes] = deque(maxlen=context)
    after, gap, told = 0, False, False
    for line in lines:
        if pattern.search(line.rstrip(b"\n")):
            if context and told and gap:
                yield SEPARATOR
            yield from before
            before.clear()
            yield line
            after, gap, told = context, False, True
        elif after:
            after -= 1
            yield line
        else:
            # What falls out of the window stands between two runs.
            gap = gap or len(before) == context
            before.append(line)


def marked(lines: Iterable[bytes], mark: bytes) -> Iterator[bytes]:
    """Each line with a mark and a tabulator before it, and an end."""
    for line in lines:
        yield mark + b"\t" + line if line.endswith(b"\n") else mark + b"\t" + line + b"\n"
