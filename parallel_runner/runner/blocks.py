"""The pieces of a stream that jobs read: kept in one file until their batch has ended."""

from __future__ import annotations

import os


class BlockStore:
    """Appends blocks to a file."""

    def __init__(self, directory: str, name: str) -> None:
        self._name = name
        self._path = f"{directory}/{name}"
        self._fd = -1

    def keep(self, block: bytes) -> tuple[str, int]:
        """Keep a block; returns the file's name and the offset.

        Raises:
            OSError: the disk is full.
        """
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        offset = os.fstat(self._fd).st_size
        view = memoryview(block)
        while view:
            view = view[os.write(self._fd, view) :]
        return self._name, offset
