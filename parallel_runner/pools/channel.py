"""A framed, buffered, non-blocking stream between supervisor and worker.

Neither side ever blocks on the other: what cannot be sent waits in a buffer, and what has come is read even while
output waits, or two full buffers would stand against each other for ever.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from parallel_runner.pools.frames import HEAD, MAX_BODY

# A larger buffer comes from mmap each time, and its pages are faulted in anew.
_READ_SIZE = 1 << 15


class ChannelError(Exception):
    """What came over a channel is no frame."""


class Channel:
    """One end of a socketpair."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self.closed = False
        """The other end is gone: nothing more will come, nothing more can be sent."""

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends."""
        first, second = socket.socketpair()
        return cls(first), cls(second)

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._sock.fileno()

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._outgoing)

    def send(self, frame: bytes) -> None:
        """Send a frame, or as much as goes; the rest waits for `flush`."""
        if self._outgoing:
            self._outgoing += frame
            self.flush()
            return
        sent = self._try_send(frame)
        if sent < len(frame) and not self.closed:
            self._outgoing += memoryview(frame)[sent:]

    def flush(self) -> bool:
        """Send what waits. True when nothing waits any more."""
        while self._outgoing and not self.closed:
            sent = self._try_send(self._outgoing)
            if not sent:
                break
            del self._outgoing[:sent]
        if self.closed:
            self._outgoing.clear()
        return not self._outgoing

    def _try_send(self, data: bytes | bytearray) -> int:
        try:
            return self._sock.send(data, socket.MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.closed = True
            return 0

    def receive(self) -> Iterator[tuple[int, memoryview]]:
        """Read all that has come, and yield whole frames: (kind, body). Take all of them."""
        self._fill()
        buffer = bytes(self._incoming)
        position, end = 0, len(buffer)
        view = memoryview(buffer)
        while position + HEAD.size <= end:
            length, kind = HEAD.unpack_from(buffer, position)
            if length > MAX_BODY:
                raise ChannelError(f"a frame of {length} bytes was announced")
            start = position + HEAD.size
            if start + length > end:
                break
            position = start + length
            yield kind, view[start:position]
        del self._incoming[:position]

    def _fill(self) -> None:
        while not self.closed:
            try:
                data = self._sock.recv(_READ_SIZE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.closed = True
                return
            if not data:
                self.closed = True
                return
            self._incoming += data
            if len(data) < _READ_SIZE:
                return

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self._sock.close()
