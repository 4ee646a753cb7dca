"""Descriptors of the operating system."""

from __future__ import annotations

import os


def write_all(fd: int, data: bytes | bytearray) -> None:
    """Write every byte to a descriptor that blocks: one call may take only some of them.

    Raises:
        OSError: it takes no more; some of the bytes may have been written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
