"""Room on the disk: how much is left, how little is too little, and a reserve for when nothing is left."""

from __future__ import annotations

import errno
import os

from parallel_runner.errors import StateError
from parallel_runner.journal.layout import StateLayout

BALLAST = 4 * 1024 * 1024
LEAST_BALLAST = 128 * 1024
"""Bytes that it takes to open a journal (its shared memory is a file of 32 KiB) and to remove things from it."""


def free_bytes(path: str) -> int:
    """Bytes that this user may still write on the file system of `path`."""
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize


def floor(path: str, wanted: int) -> int:
    """Bytes that should stay free there: `wanted`, or 5 % of the file system when that is less."""
    stat = os.statvfs(path)
    return min(wanted, stat.f_blocks * stat.f_frsize // 20)


def ensure_ballast(layout: StateLayout, size: int | None = None) -> bool:
    """Have `size` bytes (default: BALLAST, or 5 % of a small disk) really taken by the ballast file.

    Returns False when there is no room for it now.

    Raises:
        StateError: the file cannot be made for another reason.
    """
    if size is None:
        size = max(LEAST_BALLAST, floor(layout.root, BALLAST))
    try:
        fd = os.open(layout.ballast, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(layout, error) from error
    try:
        if os.fstat(fd).st_blocks * 512 < size:
            os.posix_fallocate(fd, 0, size)
    except OSError as error:
        # What little it got would only be missing elsewhere.
        os.ftruncate(fd, 0)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return False
        raise _unusable(layout, error) from error
    finally:
        os.close(fd)
    return True


def drop_ballast(layout: StateLayout) -> int:
    """Give the reserve up, so that ends can be recorded; returns the bytes that came free."""
    try:
        size = os.stat(layout.ballast).st_blocks * 512
        os.unlink(layout.ballast)
    except FileNotFoundError:
        return 0
    return size


def make_room(layout: StateLayout) -> int:
    """Give the reserve up where less than that is left, so that things can be removed; returns the bytes freed.

    For before the journal is opened: on a full disk not even that can be done.
    """
    if not os.path.isdir(layout.root) or free_bytes(layout.root) >= BALLAST:
        return 0
    return drop_ballast(layout)


def shortage(layout: StateLayout, least: int) -> str:
    """What to tell when less than `least` bytes are left where the state is kept; empty when there is room."""
    free = free_bytes(layout.root)
    if free >= least:
        return ""
    return (
        f"only {free >> 20} MiB are left for {layout.root}, {least >> 20} MiB are asked for; "
        "free some, lower `min_free_disk`, or choose another --home"
    )


def _unusable(layout: StateLayout, error: OSError) -> StateError:
    return StateError(f"{layout.ballast}: {error.strerror}; check the directory's permissions, or choose --home")
