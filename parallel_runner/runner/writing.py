"""Writing jobs' output to our own stdout and stderr without ever waiting for who reads it."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections import deque
from collections.abc import Callable

from parallel_runner.reactor import WRITE, Reactor

_PIPE_ATOMIC = select.PIPE_BUF
_TTY_PIECE = 512
_FILE_PIECE = 1 << 20


def _nothing() -> None:
    """Nothing stands in the way."""


class Sink:
    """One of our own output descriptors.

    Never O_NONBLOCK: that would be set on the user's terminal or pipe for everybody. Instead at most as much is
    written as is sure not to block once poll says writable: PIPE_BUF for a pipe.
    """

    def __init__(self, fd: int, reactor: Reactor) -> None:
        self._fd = fd
        self._reactor = reactor
        self._queue: deque[bytes | memoryview] = deque()
        self._waiting = 0
        self._watched = False
        self.before: Callable[[], None] = _nothing
        """Called before something is written: what stands in the way on a terminal is to go."""
        self.broken = False
        """Nobody reads any more."""
        self.trouble = ""
        """Why writing failed, when it was no broken pipe: a full disk, say."""
        mode = os.fstat(fd).st_mode
        self._blocks = not (stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(fd)))
        self._piece = _TTY_PIECE if os.isatty(fd) else _PIPE_ATOMIC
        if self._blocks:
            self._poll = select.poll()
            self._poll.register(fd, select.POLLOUT)

    @property
    def waiting(self) -> int:
        """Bytes that wait to be written."""
        return self._waiting

    def write(self, data: bytes) -> None:
        """Have `data` written, now or later."""
        if data and not self.broken:
            self._queue.append(data)
            self._waiting += len(data)

    def flush(self) -> None:
        """Write what goes without waiting; the reactor calls again for the rest."""
        if self._queue:
            self.before()
        if self._queue and not self._blocks:
            self._write_file()
        elif self._queue:
            self._write_ready()
            self._watch(bool(self._queue))

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._watched:
            self._reactor.watch(self._fd, WRITE, lambda _: self.flush())
        elif self._watched and not wanted:
            self._reactor.unwatch(self._fd)
        self._watched = wanted

    def _write_file(self) -> None:
        data = b"".join(self._queue)
        self._drop()
        view = memoryview(data)
        while view and not self.broken:
            view = view[self._try_write(view[:_FILE_PIECE]) :]

    def _write_ready(self) -> None:
        if len(self._queue) > 1 and self._waiting < _FILE_PIECE:
            joined = b"".join(self._queue)
            self._queue.clear()
            self._queue.append(joined)
        while self._queue and not self.broken and self._poll.poll(0):
            piece = memoryview(self._queue[0])
            written = self._try_write(piece[: self._piece])
            if self.broken:
                break
            self._waiting -= written
            if written == len(piece):
                self._queue.popleft()
            else:
                self._queue[0] = piece[written:]
        if self.broken:
            self._drop()

    def _try_write(self, view: memoryview) -> int:
        try:
            return os.write(self._fd, view)
        except BlockingIOError:
            return 0  # Somebody else made it non-blocking.
        except OSError as error:
            self.broken = True
            if error.errno != errno.EPIPE:
                self.trouble = error.strerror or str(error)
            return 0

    def _drop(self) -> None:
        self._queue.clear()
        self._waiting = 0
