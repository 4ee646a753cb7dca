"""A worker's own record of what it does, which outlives it and its supervisor.

One append-only file per worker incarnation. Each record is

    length of body (4 bytes, little endian) | CRC32 of body (4 bytes) | body (msgpack)

A record is appended with one write, so kill -9 leaves whole records or a torn tail; torn tails are dropped. `Began`
is written before the spawn: what is not in the spool never started. Once the supervisor has committed all outcomes
that are in the file, the worker empties it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator

import msgspec

from parallel_runner.model.outcome import Outcome

_HEAD = struct.Struct("<II")
MAX_RECORD = 64 * 1024 * 1024


class Opened(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """The first record: who writes here."""

    worker: str
    owner: str
    pool: str
    pid: int
    start_time: int
    """Clock ticks since boot, from /proc/PID/stat: tells a reused pid apart."""
    boot_id: str


class Began(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """An attempt is about to be spawned."""

    attempt: int
    at: float
    """Seconds since the epoch."""


class Ended(msgspec.Struct, frozen=True, array_like=True, tag="o"):
    """An attempt's outcome."""

    outcome: Outcome


class Freed(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """The worker holds nothing but one attempt: its supervisor is lost, and it read all that it was sent."""

    keeps: int
    """The attempt still in hand; 0: none."""


Record = Opened | Began | Ended | Freed
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def pack(record: Record) -> bytes:
    """A record as it stands in the file."""
    body = _encode(record)
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


class SpoolWriter:
    """The worker's side."""

    def __init__(self, path: str, opened: Opened) -> None:
        self.path = path
        self._header = pack(opened)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = os.write(self._fd, self._header)
        """Bytes in the file."""

    def append(self, data: bytes) -> None:
        """Append packed records with one write.

        Raises:
            OSError: the disk is full; a partial record is cut off again first.
        """
        written = os.write(self._fd, data)
        self.size += written
        if written != len(data):
            # A torn record in the middle would hide all that follows it.
            self.size -= written
            os.ftruncate(self._fd, self.size)
            raise OSError(28, "no space left for the worker's spool", self.path)

    def sync(self) -> None:
        """Force what was appended to the disk."""
        os.fdatasync(self._fd)

    def reset(self) -> None:
        """Empty the file but for its header: all outcomes in it are committed and nothing is in hand."""
        os.ftruncate(self._fd, len(self._header))
        self.size = len(self._header)

    def rewrite(self, records: Iterable[bytes]) -> None:
        """Keep only these packed records, by rename: a kill leaves the old file or the new one."""
        path = self.path + ".new"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        data = self._header + b"".join(records)
        try:
            if os.write(fd, data) != len(data):
                raise OSError(28, "no space left for the worker's spool", path)
            os.rename(path, self.path)
        except OSError:
            os.close(fd)
            os.unlink(path)
            raise
        os.close(self._fd)
        self._fd = fd
        self.size = len(data)

    def close(self) -> None:
        """Close the file; it stays."""
        os.close(self._fd)


def read(path: str) -> Iterator[Record]:
    """The whole records of a spool, in order; a torn or damaged tail ends it. None there: nothing."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return
    yield from unpack(data)


def unpack(data: bytes | memoryview) -> Iterator[Record]:
    """The whole records in a run of bytes; a torn or damaged one ends it."""
    position = 0
    while position + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, position)
        body = data[position + _HEAD.size : position + _HEAD.size + length]
        if length > MAX_RECORD or len(body) != length or zlib.crc32(body) != crc:
            return
        try:
            yield _decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return
        position += _HEAD.size + length
