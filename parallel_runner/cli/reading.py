"""Opening the journal to look at it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
    sys.stdout.buffer.write(data)


def line(text: str) -> None:
    """Write one line of text to stdout."""
    write(text.encode("utf-8", "backslashreplace") + b"\n")
