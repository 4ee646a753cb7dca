"""Opening the journal to look at it."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from parallel_runner.cli.options import the_home
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.store import Journal


@contextmanager
def reading(home: str | None, *, update: bool = False) -> Iterator[Journal]:
    """The journal of a home, read-only.

    Args:
        home: which.
        update: bring a journal of an older version up to date before.

    Raises:
        StateError: there is none, or it cannot be read.
    """
    layout = StateLayout(the_home(home).state)
    if update and os.path.exists(layout.journal):
        Journal(layout).close()
    journal = Journal(layout, read_only=True)
    try:
        yield journal
    finally:
        journal.close()


def write(data: bytes) -> None:
    """Write to stdout; BrokenPipeError when nobody reads any more."""
    put(sys.stdout.buffer, [data])


def put(stream: BinaryIO, pieces: Iterable[bytes]) -> None:
    """Write all of some pieces: an unbuffered stream (PYTHONUNBUFFERED) may take a part and say nothing."""
    for data in pieces:
        written = stream.write(data)
        while written < len(data):
            written += stream.write(memoryview(data)[written:])


def line(text: str) -> None:
    """Write one line of text to stdout."""
    write(text.encode("utf-8", "backslashreplace") + b"\n")


def wait_a_little(seconds: float) -> None:
    """Let some time pass while something is followed, having written what there is.

    Raises:
        BrokenPipeError: nobody reads stdout any more, so that waiting is for nothing.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    poll = select.poll()
    poll.register(1, 0)
    if poll.poll(seconds * 1000):
        raise BrokenPipeError
