"""What a job writes, while it runs, for whoever asks: nothing is done, or written anywhere, until somebody does.

A reader makes a FIFO `state/following/WORKER.TOKEN`, opens it, and sends the worker SIGURG, which does no harm to
whatever else might have that pid. The worker opens the other end and tells what the attempt in hand has written so
far and then each piece as it comes. It never waits for a reader: what a slow one has not taken is bounded, and what
is over that is left out, which the offsets show. All of it stands in the journal when the attempt has ended.
"""

from __future__ import annotations

import errno
import os
import select
import struct
import time
from collections import deque
from collections.abc import Iterator
from functools import partial

import msgspec

from parallel_runner.model.outcome import Extent
from parallel_runner.pools.capture import Stream

MOST_WAITING = 4 * 1024 * 1024
"""Bytes of pieces that wait for one reader. What there was when it came is not counted: it is bounded by itself."""
MOST_READERS = 16
_PATIENCE = 1.0
"""Seconds that a worker that is about to exit waits for its readers."""
_HEAD = struct.Struct("<I")
_PIECE = 32 * 1024
OUT, ERR = 1, 2


class Began(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """Which attempt it is; 0: none is in hand."""

    attempt: int


class Kept(msgspec.Struct, frozen=True, array_like=True, tag="k"):
    """The beginning of a stream, in the worker's segment."""

    stream: int
    extents: tuple[Extent, ...]


class Piece(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """Bytes of a stream."""

    stream: int
    offset: int
    """How many bytes the job wrote before them."""
    data: bytes


class Over(msgspec.Struct, frozen=True, array_like=True, tag="o"):
    """The attempt has ended, and nothing follows."""


Told = Began | Kept | Piece | Over
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Told).decode


def pack(told: Told) -> bytes:
    """A frame: its length in 4 bytes, little endian, and msgpack."""
    body = _encode(told)
    return _HEAD.pack(len(body)) + body


def unpack(buffer: bytearray) -> Iterator[Told]:
    """Take the whole frames from the front of a buffer.

    Raises:
        msgspec.MsgspecError: the other side is of another version.
    """
    while len(buffer) >= _HEAD.size:
        (size,) = _HEAD.unpack_from(buffer)
        if len(buffer) < _HEAD.size + size:
            return
        body = bytes(buffer[_HEAD.size : _HEAD.size + size])
        del buffer[: _HEAD.size + size]
        yield _decode(body)


class _Reader:
    """One who follows."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._waiting: deque[memoryview] = deque()
        self._size = 0
        self.gone = False
        self.over = False
        """Nothing will be added: it is closed once all is written."""

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def add(self, data: bytes) -> None:
        """Have it written; for what must not be left out."""
        self._waiting.append(memoryview(data))
        self._size += len(data)

    def offer(self, data: bytes) -> None:
        """Have it written unless too much waits."""
        if self._size < MOST_WAITING:
            self.add(data)

    def flush(self) -> None:
        """Write what is taken now."""
        while self._waiting and not self.gone:
            try:
                written = os.write(self.fd, self._waiting[0])
            except BlockingIOError:
                return
            except OSError:
                self.gone = True  # Nobody reads any more.
                return
            self._size -= written
            self._waiting[0] = self._waiting[0][written:]
            if not self._waiting[0]:
                self._waiting.popleft()


class Followers:
    """A worker's readers."""

    def __init__(self, directory: str, worker: str, poller: select.poll, out: Stream, err: Stream) -> None:
        self._directory = directory
        self._worker = worker
        self._poller = poller
        self._streams = {OUT: out, ERR: err}
        self._readers: dict[int, _Reader] = {}

    def __contains__(self, fd: int) -> bool:
        return fd in self._readers

    def look(self, attempt: int) -> None:
        """Take in who asks, and tell what there is so far of the attempt in hand (0: none)."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return
        for name in names:
            if name.startswith(f"{self._worker}.") and len(self._readers) < MOST_READERS:
                fd = _open(f"{self._directory}/{name}")
                if fd >= 0:
                    self._take_in(_Reader(fd), attempt)

    def _take_in(self, reader: _Reader, attempt: int) -> None:
        self._readers[reader.fd] = reader
        self._poller.register(reader.fd, 0)
        reader.add(pack(Began(attempt)))
        if not attempt:
            self._let_go([reader])
            return
        for number, stream in self._streams.items():
            extents, pieces = stream.so_far()
            if extents:
                reader.add(pack(Kept(number, extents)))
            for offset, data in pieces:
                for start in range(0, len(data), _PIECE):
                    reader.add(pack(Piece(number, offset + start, data[start : start + _PIECE])))
            stream.tee = partial(self._tell, number)
        self._flush(reader)

    def _tell(self, stream: int, offset: int, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            packed = pack(Piece(stream, offset + start, data[start : start + _PIECE]))
            for reader in self._readers.values():
                if not reader.over:
                    reader.offer(packed)
        for reader in list(self._readers.values()):
            self._flush(reader)

    def _hear_no_more(self) -> None:
        for stream in self._streams.values():
            stream.tee = None

    def end(self) -> None:
        """The attempt in hand has ended."""
        if self._readers:
            self._hear_no_more()
            self._let_go([reader for reader in self._readers.values() if not reader.over])

    def _let_go(self, readers: list[_Reader]) -> None:
        for reader in readers:
            reader.add(pack(Over()))
            reader.over = True
            self._flush(reader)

    def attend(self, fd: int) -> None:
        """A reader takes more, or is gone."""
        reader = self._readers[fd]
        if not reader.waits:
            reader.gone = True  # Nothing was asked for but to hear of that.
        self._flush(reader)

    def _flush(self, reader: _Reader) -> None:
        reader.flush()
        if reader.gone or (reader.over and not reader.waits):
            self._poller.unregister(reader.fd)
            del self._readers[reader.fd]
            os.close(reader.fd)
            if all(one.over for one in self._readers.values()):
                self._hear_no_more()
        else:
            self._poller.modify(reader.fd, select.POLLOUT if reader.waits else 0)

    def leave(self) -> None:
        """The worker is about to exit: give readers a moment to take what waits."""
        self.end()
        until = time.monotonic() + _PATIENCE
        while self._readers and time.monotonic() < until:
            select.select([], list(self._readers), [], 0.05)
            for reader in list(self._readers.values()):
                self._flush(reader)


def _open(path: str) -> int:
    """The writing end of a FIFO; -1 when nobody reads there. It is needed no more by name."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO:
            _unlink(path)
        return -1
    _unlink(path)
    return fd


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # Its reader was faster.
