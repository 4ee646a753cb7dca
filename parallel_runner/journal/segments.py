"""Outputs that are too long for the journal: append-only segment files, one per worker, never one per job."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from parallel_runner.journal.disk import free_bytes
from parallel_runner.model.outcome import Extent, Output

READ_SIZE = 1 << 20


class SegmentWriter:
    """A worker's segment. The file is made when the first bytes come."""

    def __init__(self, directory: str, name: str, floor: int = 0) -> None:
        """Write `name` in `directory`; never into the last `floor` bytes of the file system."""
        self._floor = floor
        self._directory = directory
        self._name = name
        self._fd = -1
        self._size = 0

    def append(self, data: bytes | bytearray | memoryview) -> Extent:
        """Append bytes; returns where they stand.

        Raises:
            OSError: the disk is full, or as good as; what was written of them is cut off again.
        """
        if self._floor and free_bytes(self._directory) < self._floor:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._directory)
        if self._fd < 0:
            path = f"{self._directory}/{self._name}"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._fd).st_size
        view = memoryview(data)
        start = self._size
        while view:
            try:
                written = os.write(self._fd, view)
            except OSError:
                os.ftruncate(self._fd, start)
                self._size = start
                raise
            view = view[written:]
            self._size += written
        return Extent(self._name, start, self._size - start)

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_output(directory: str, output: Output, chunk: int = READ_SIZE) -> Iterator[bytes]:
    """The kept bytes of a stream, in pieces of at most `chunk` bytes.

    Raises:
        FileNotFoundError: the segment was pruned.
    """
    if output.inline:
        yield output.inline
    for extent in output.extents:
        with open(f"{directory}/{extent.segment}", "rb") as file:
            file.seek(extent.offset)
            left = extent.length
            while left:
                data = file.read(min(chunk, left))
                if not data:
                    break
                left -= len(data)
                yield data
