"""What supervisor and worker say to each other.

A frame is: length of body (4 bytes, little endian) | kind (1 byte) | body. Kind RECORDS is a run of spool records,
sent as they stand in the worker's spool, so that they are encoded once; kind MESSAGE is one msgpack struct.
"""

from __future__ import annotations

import struct

import msgspec

from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Extent
from parallel_runner.model.ports import Lease
from parallel_runner.model.terms import Terms

HEAD = struct.Struct("<IB")
MESSAGE = 0
RECORDS = 1
MAX_FRAME = 256 * 1024
"""Bytes of leases in one frame; a larger job travels alone."""
MAX_COUNT = 32
"""Leases in one frame."""
MAX_BODY = 256 * 1024 * 1024


class UseTerms(msgspec.Struct, frozen=True, array_like=True, tag="T"):
    """Terms that later leases name. Sent once to each worker."""

    batch: int
    index: int
    terms: Terms


class Assign(msgspec.Struct, frozen=True, array_like=True, tag="A"):
    """Leases, committed before they are sent."""

    leases: tuple[Lease, ...]


class Acknowledge(msgspec.Struct, frozen=True, array_like=True, tag="K"):
    """So many outcomes of this worker are committed, counted from its start."""

    count: int


class TakeBack(msgspec.Struct, frozen=True, array_like=True, tag="B"):
    """Give up to `count` leases back that have not started."""

    count: int


class End(msgspec.Struct, frozen=True, array_like=True, tag="E"):
    """End attempts, as `state`; those not started are given up."""

    attempts: tuple[int, ...]
    state: State
    force: bool


class Stop(msgspec.Struct, frozen=True, array_like=True, tag="S"):
    """Finish what is in hand, give the rest up, and exit."""


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """The worker's lock is held and its spool is open: leases may come."""

    pid: int


class GaveUp(msgspec.Struct, frozen=True, array_like=True, tag="g"):
    """Leases that the worker does not hold any more. May be empty."""

    attempts: tuple[int, ...]


class Beat(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """The worker's loop runs."""


class Retiring(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """The worker ends by itself after this."""

    reason: str
    kept: bool
    """Processes of its last job live on, as asked, and are not to be taken for orphans."""


class Wrote(msgspec.Struct, frozen=True, array_like=True, tag="w"):
    """A running attempt wrote something that is to be printed while it runs."""

    attempt: int
    which: int
    """0: stdout, 1: stderr."""
    extent: Extent


Downward = UseTerms | Assign | Acknowledge | TakeBack | End | Stop
Upward = Hello | GaveUp | Beat | Retiring | Wrote

_encode = msgspec.msgpack.Encoder().encode
decode_downward = msgspec.msgpack.Decoder(Downward).decode
decode_upward = msgspec.msgpack.Decoder(Upward).decode


def message(value: Downward | Upward) -> bytes:
    """One message as a whole frame."""
    body = _encode(value)
    return HEAD.pack(len(body), MESSAGE) + body


def records(body: bytes | bytearray) -> bytes:
    """A run of spool records as a whole frame."""
    return HEAD.pack(len(body), RECORDS) + body
