"""The protocols at which rooms meet, so that none imports another upward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from parallel_runner.model.events import Event
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.snapshot import ExecutorSnapshot, Offer
from parallel_runner.model.terms import Terms


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """One attempt promised to a worker. Must be committed before it is sent."""

    attempt: int
    batch: int
    terms: int
    payload: bytes
    deadline: float | None = None
    """Seconds of wall time that are left to it, when the batch's deadline is nearer than its own limit."""


class TermsSource(Protocol):
    """Where an executor looks up the terms that leases name."""

    def terms(self, batch: int, index: int) -> Terms:
        """The terms `index` of a batch."""
        ...


class Executor(Protocol):
    """What runs leased attempts and can be resized.

    The contract, which one test holds every executor to:

    - `submit` takes leases that are already committed; each comes back exactly once: as Finished, in Released, or
      in WorkerLost.
    - Nothing blocks. What happened since the last call is handed over by `collect`, in order for each attempt.
    - `acknowledge` says that outcomes are committed; until then the executor can hand them to a recovery.
    - A worker is offered only once it can be found by a recovery (its lock is held, its spool is open).
    """

    def offers(self) -> Sequence[Offer]:
        """Workers that could be given jobs now, the least loaded first."""
        ...

    def submit(self, worker: str, leases: Sequence[Lease]) -> None:
        """Hand leases to a worker. Unknown or dying worker: they come back as WorkerLost or Released."""
        ...

    def take_back(self, worker: str, count: int) -> None:
        """Ask a worker for at most `count` leases that it has not started; answered by Released."""
        ...

    def cancel(self, attempts: Sequence[int], *, state: State = State.CANCELLED, force: bool = False) -> None:
        """End attempts as `state`: by the TERM ladder, or at once. Those not started come back as Released."""
        ...

    def resize(self, pool: str, size: int) -> None:
        """Want `size` instances in a pool; running jobs are never ended for it."""
        ...

    def collect(self) -> Sequence[Event]:
        """What happened since the last call."""
        ...

    def acknowledge(self, outcomes: Sequence[Outcome]) -> None:
        """These outcomes are committed."""
        ...

    def slot_of(self, worker: str) -> int:
        """The number of a worker in its pool, from 1; 0 when nothing is known of it any more."""
        ...

    def snapshot(self) -> ExecutorSnapshot:
        """Sizes and loads of the pools."""
        ...

    def shutdown(self, *, grace: float) -> None:
        """End all workers; jobs still running are ended by the ladder within `grace` seconds, then killed."""
        ...


INTERNAL = msgspec.Meta(extra={"internal": True})
"""Marks a field of a payload that is set by ourselves and by no batch file."""


def public_fields(kind: type[msgspec.Struct]) -> list[msgspec.structs.FieldInfo]:
    """The fields of a payload that a batch file may set."""
    return [one for one in msgspec.structs.fields(kind) if INTERNAL not in getattr(one.type, "__metadata__", ())]


class Spawn(msgspec.Struct, frozen=True):
    """A launch by posix_spawn."""

    executable: bytes
    argv: Sequence[bytes]
    fallback: Sequence[bytes] = ()
    """argv for bash, which runs, or complains about, what the kernel would not execute."""
    stdin: tuple[str, int, int] | None = None
    """A piece of a file that is its stdin: path, offset, bytes."""


class Call(msgspec.Struct, frozen=True):
    """A launch by fork: a function that writes to descriptors 1 and 2 and returns an exit code."""

    function: Callable[[], int]
    partial: bool = False
    """Whether exit code 3 says that it answered in part."""


class Refusal(msgspec.Struct, frozen=True):
    """No launch: what is told instead."""

    exit_code: int
    """126 not executable, 127 not found, as shells say."""
    message: str
    rejected: bool = False
    """True when a policy refused it: state `rejected`, class `policy`."""


Launch = Spawn | Call | Refusal


class JobContext(msgspec.Struct, frozen=True):
    """What a tool may know when it prepares one attempt."""

    cwd: bytes
    env: Mapping[bytes, bytes]
    """The whole environment the job will have."""
    batch: int
    attempt: int
    inputs: str = ""
    """Directory of the files that pieces of streams are in."""
    shipped: bytes = b""
    """The function that came with the job's terms."""


@runtime_checkable
class Tool(Protocol):
    """What does a kind of work. A plug-in: entry-point group `parallel_runner.tools`."""

    @property
    def name(self) -> str:
        """The word in batch files and the name of its pool."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether running it twice does no harm."""
        ...

    @property
    def payload_type(self) -> type[msgspec.Struct]:
        """The typed arguments of one job; unknown fields are forbidden in it."""
        ...

    @property
    def main_field(self) -> str:
        """The payload's field that a bare value in a batch file fills."""
        ...

    def check(self, payload: msgspec.Struct) -> Sequence[str]:
        """What is wrong with a payload beyond its types, each with the field's name in front; empty: nothing."""
        ...

    def preload(self) -> None:
        """Import and build what jobs need; called once in each worker."""
        ...

    def prepare(self, payload: msgspec.Struct, context: JobContext) -> Launch:
        """How to start one attempt. Called in the worker, in the job's directory."""
        ...

    def describe(self, payload: msgspec.Struct) -> bytes:
        """The job in one line, for people; any bytes."""
        ...


class JobSource(Protocol):
    """Where the scheduler draws jobs from, in order of submission."""

    def take(self, count: int) -> Sequence[Job]:
        """At most `count` further jobs; empty when none is there now."""
        ...
