"""What an executor tells: the only words that come back from where jobs run."""

from __future__ import annotations

import msgspec

from parallel_runner.model.outcome import Extent, Outcome


class Started(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An attempt began."""

    attempt: int
    worker: str
    at: float
    """Seconds since the epoch."""


class Wrote(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A running attempt wrote something; only told where the terms ask for it."""

    attempt: int
    which: int
    """0: stdout, 1: stderr."""
    extent: Extent


class Finished(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An attempt ended."""

    outcome: Outcome


class Released(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A worker gave leases up: they never started and are nobody's."""

    worker: str
    attempts: tuple[int, ...]


class WorkerStarted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A worker holds its lock and its spool, and can be given leases."""

    worker: str
    pool: str
    pid: int


class WorkerLost(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A worker died. `started` is what it had in hand; `leased` never started."""

    worker: str
    pool: str
    reason: str
    """`killed by signal 9`, `exit code 1`, `no heartbeat for 15 s`."""
    started: tuple[int, ...]
    leased: tuple[int, ...]


class WorkerRetired(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A worker ended as asked; it held nothing."""

    worker: str
    pool: str
    reason: str


Event = Started | Wrote | Finished | Released | WorkerStarted | WorkerLost | WorkerRetired
