"""Who is alive: an exclusive flock on a file of one's own.

A lock that can be had means its holder is dead, whatever the process tables say: process ids lie across containers
that share a home, start times lie after a clock change. The kernel drops the lock with the last descriptor, so the
descriptor is opened after the fork, close-on-exec, and is never handed to a child.
"""

from __future__ import annotations

import errno
import fcntl
import os


class LivenessLock:
    """A held lock file. Close releases it; the file stays until `remove`."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def acquire(cls, path: str, content: bytes = b"") -> LivenessLock | None:
        """Take the lock of `path`, creating the file (mode 0600). None when somebody alive holds it.

        The file may be unlinked by a recovery between open and flock; then the lock just taken guards nothing, and
        the file is made again.
        """
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _try_lock(fd):
                os.close(fd)
                return None
            if _same_file(fd, path):
                break
            os.close(fd)
        if content:
            os.ftruncate(fd, 0)
            os.pwrite(fd, content, 0)
        return cls(path, fd)

    def remove(self) -> None:
        """Unlink the file, then release: nobody can take a lock on a file that is about to go."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        self.close()

    def close(self) -> None:
        """Release the lock. Harmless when released."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def is_held(path: str) -> bool:
    """Whether somebody alive holds the lock of `path`. False when there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: two who ask at once must not take each other for the holder.
        return not _try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _try_lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _same_file(fd: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    mine = os.fstat(fd)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
