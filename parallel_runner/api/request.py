"""What goes from the caller's process to the one that runs its batch."""

from __future__ import annotations

import os

import msgspec

from parallel_runner.descriptors import write_all
from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import JobSpec

_LENGTH = 8
"""Bytes of a request's length, which stands before it, most significant first."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One batch to be run."""

    home: str | None
    """Directory of the home; None: as for the command line."""
    header: BatchHeader
    jobs: list[JobSpec]
    slots: str | None
    """As `-j` has it."""


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="end"):
    """The last line of an answer."""

    exit_code: int
    error: str = ""
    """Why there was no run, or why it could not go on."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Request).decode


def write_request(fd: int, request: Request) -> None:
    """Write it whole.

    Raises:
        BrokenPipeError: nobody reads it.
    """
    body = _encode(request)
    write_all(fd, len(body).to_bytes(_LENGTH, "big"))
    write_all(fd, body)


def read_request(fd: int) -> Request | None:
    """Read one, and nothing after it; None: whoever wrote it has gone before it was whole."""
    length = _read_exactly(fd, _LENGTH)
    body = _read_exactly(fd, int.from_bytes(length, "big")) if length is not None else None
    return _decode(body) if body is not None else None


def _read_exactly(fd: int, count: int) -> bytearray | None:
    data = bytearray()
    while len(data) < count:
        part = os.read(fd, min(count - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return data
