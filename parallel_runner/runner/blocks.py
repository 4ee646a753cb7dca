"""The pieces of a stream that jobs read: kept in one file until their batch has ended."""

from __future__ import annotations

import os

from parallel_runner.descriptors import write_all
from parallel_runner.errors import DiskFullError


class BlockStore:
    """Appends blocks to a file."""

    def __init__(self, directory: str, name: str) -> None:
        self._name = name
        self._path = f"{directory}/{name}"
        self._fd = -1

    def keep(self, block: bytes) -> tuple[str, int]:
        """Keep a block; returns the file's name and the offset.

        Raises:
            DiskFullError: there is no room for it.
        """
        try:
            return self._name, self._append(block)
        except OSError as error:
            raise DiskFullError(f"{self._path}: a piece of the stream cannot be kept: {error.strerror}") from error

    def _append(self, block: bytes) -> int:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        offset = os.fstat(self._fd).st_size
        write_all(self._fd, block)
        return offset
