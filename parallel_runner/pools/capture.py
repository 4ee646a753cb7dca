"""What a job writes: read as it comes, bounded, kept in the journal when short and in a segment when long."""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Callable

from parallel_runner.journal.segments import SegmentWriter
from parallel_runner.model.outcome import NO_OUTPUT, Extent, Output

INLINE = 4096
"""Bytes of a stream that stand in the journal's row itself."""
SPILL = 256 * 1024
"""Bytes that are gathered before they go to the segment."""
_READ_SIZE = 64 * 1024
_BIG_PIPE = 1 << 20
_F_SETPIPE_SZ = 1031


def marker(size: int, kept: int) -> bytes:
    """The line that stands where the middle of a long output was left out."""
    return f"\n[parallel-runner: {size - kept} of {size} bytes not kept]\n".encode()


class Stream:
    """One captured stream of the attempt in hand.

    The first half of the limit is kept as it comes, the last half in a ring; what falls out of the ring is counted
    and gone. So whatever a job prints, memory is bounded by SPILL + half the limit.
    """

    def __init__(self, segment: SegmentWriter) -> None:
        self._segment = segment
        self._big = False
        self._limit = 0
        self.tee: Callable[[int, bytes], None] | None = None
        """Told each piece with its offset, while somebody follows."""
        self._told: Callable[[Extent], None] | None = None
        self.read_fd, self.write_fd = self._open()
        self._reset(0)

    def _open(self) -> tuple[int, int]:
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_fd, False)
        self._big = False
        return read_fd, write_fd

    def _reset(self, limit: int) -> None:
        self._limit = limit
        self._ended = False
        self._size = 0
        self._head = bytearray()
        self._head_left = limit - limit // 2
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._tail_limit = limit // 2
        self._extents: list[Extent] = []
        self.lost = False
        """Bytes within the limit could not be kept: the disk is full."""

    def so_far(self) -> tuple[tuple[Extent, ...], list[tuple[int, bytes]]]:
        """What is kept of the attempt in hand: its beginning in the segment, and (offset, bytes) of the rest."""
        spilled = sum(extent.length for extent in self._extents)
        tail = b"".join(self._tail)[-self._tail_limit :] if self._tail_limit else b""
        pieces = [(spilled, bytes(self._head)), (self._size - len(tail), tail)]
        return tuple(self._extents), [piece for piece in pieces if piece[1]]

    def begin(self, limit: int, told: Callable[[Extent], None] | None = None) -> None:
        """Ready for an attempt that may keep `limit` bytes; `told` hears at once of each piece that is kept."""
        self._told = told
        if self._size or self.lost or limit != self._limit:
            self._reset(limit)

    def renew(self) -> None:
        """A fresh pipe: something that is not ours any more may hold the old one."""
        self.close()
        self.read_fd, self.write_fd = self._open()

    def close(self) -> None:
        """Close both ends."""
        os.close(self.read_fd)
        os.close(self.write_fd)

    def read(self) -> bool:
        """Take what is there, once. False when nothing was."""
        try:
            data = os.read(self.read_fd, _BIG_PIPE if self._big else _READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            return False
        if len(data) == _READ_SIZE and not self._big:
            self._enlarge()
        self._feed(data)
        return True

    def _enlarge(self) -> None:
        self._big = True
        try:
            fcntl.fcntl(self.read_fd, _F_SETPIPE_SZ, _BIG_PIPE)
        except OSError:
            return  # Over the user's quota of pipe pages: the small pipe works as well, only slower.

    def _feed(self, data: bytes) -> None:
        if self.tee is not None:
            self.tee(self._size, data)
        self._size += len(data)
        if self._head_left:
            part = data[: self._head_left]
            self._head += part
            self._head_left -= len(part)
            if len(self._head) >= SPILL or self._told is not None:
                self._spill(self._head)
                self._head = bytearray()
            data = data[len(part) :]
            if not data:
                return
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._tail_limit:
            self._tail_size -= len(self._tail.popleft())

    def _spill(self, data: bytes | bytearray) -> None:
        if not data or self.lost:
            return
        try:
            extent = self._segment.append(data)
        except OSError:
            self.lost = True
            return
        if self._told is not None and not self._ended:
            self._told(extent)
        last = self._extents[-1] if self._extents else None
        if last and last.segment == extent.segment and last.offset + last.length == extent.offset:
            self._extents[-1] = Extent(last.segment, last.offset, last.length + extent.length)
        else:
            self._extents.append(extent)

    def finish(self) -> Output:
        """What is kept of the attempt that ended."""
        if not self._size:
            return NO_OUTPUT
        self._ended = True
        tail = b"".join(self._tail)
        if len(tail) > self._tail_limit:
            tail = tail[len(tail) - self._tail_limit :]
        kept = sum(extent.length for extent in self._extents) + len(self._head) + len(tail)
        truncated = kept < self._size
        rest = bytes(self._head) + (marker(self._size, kept) if truncated else b"") + tail
        if not self._extents and len(rest) <= INLINE:
            return Output(self._size, rest, (), truncated)
        self._spill(rest)
        return Output(self._size, b"", tuple(self._extents), truncated or self.lost)
