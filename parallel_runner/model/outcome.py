"""How an attempt ended: state, class, exit code or signal, usage, output."""

from __future__ import annotations

import msgspec

from parallel_runner.model.lifecycle import FailureClass, State


class Extent(msgspec.Struct, frozen=True, array_like=True):
    """A run of bytes in a segment file."""

    segment: str
    """File name under state/outputs/."""
    offset: int
    length: int


class Output(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What is kept of one stream of an attempt."""

    size: int = 0
    """Bytes that the job wrote, kept or not."""
    inline: bytes = b""
    """The kept bytes when they are few; else they are in `extents`."""
    extents: tuple[Extent, ...] = ()
    truncated: bool = False

    @property
    def kept(self) -> int:
        """Bytes that can be read back."""
        return len(self.inline) + sum(extent.length for extent in self.extents)


NO_OUTPUT = Output()
NOT_KEPT = "output not kept: no space left on the state's file system"
"""Stands in the detail of an attempt whose output could not be written down."""


class Usage(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What an attempt used, its reaped descendants included."""

    wall: float = 0.0
    user: float = 0.0
    system: float = 0.0
    """Seconds."""
    max_rss: int | None = None
    """Peak memory in bytes; None when it could not be told from the worker's own."""


class Outcome(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The end of one attempt. Written once, never changed."""

    attempt: int
    state: State
    failure: FailureClass | None = None
    exit_code: int | None = None
    signal: int | None = None
    started_at: float = 0.0
    """Seconds since the epoch, UTC; 0 when it never started."""
    usage: Usage = Usage()
    out: Output = NO_OUTPUT
    err: Output = NO_OUTPUT
    worker: str = ""
    containment: str = ""
    """What held the job's processes: cgroup | subreaper | group | empty when nothing ran."""
    detail: str = ""
    """One line for people: what could not be spawned, what was left over, which limit was met."""
    partial: bool = False
    """The tool answered, but not everything could be looked at."""

    @property
    def succeeded(self) -> bool:
        """Whether the job is done as asked."""
        return self.state is State.SUCCEEDED


def shell_status(outcome: Outcome) -> int:
    """The exit code a shell would show: 128 + n for a signal, 124 for a time-out, 126 for a refusal.

    Never 0 for what did not succeed: a command may have ended well and not have done what was expected of it.
    """
    if outcome.exit_code is not None and (outcome.exit_code or outcome.succeeded):
        return outcome.exit_code
    if outcome.state is State.TIMED_OUT:
        return 124
    if outcome.signal is not None:
        return 128 + outcome.signal
    return 0 if outcome.succeeded else 126 if outcome.state is State.REJECTED else 1
