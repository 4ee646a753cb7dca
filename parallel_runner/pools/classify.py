"""What the end of an attempt is called: a pure function of what was seen."""

from __future__ import annotations

import os
from typing import NamedTuple

from parallel_runner.model.lifecycle import FailureClass, State


class Ending(NamedTuple):
    """Why we ended an attempt that would have gone on."""

    state: State
    failure: FailureClass
    detail: str = ""


class Verdict(NamedTuple):
    """An outcome's first words."""

    state: State
    failure: FailureClass | None
    exit_code: int | None
    signal: int | None


TIMED_OUT = (State.TIMED_OUT, FailureClass.TIMEOUT)
OUT_OF_MEMORY = (State.FAILED, FailureClass.OOM)
_CLASS_OF = {
    State.CANCELLED: FailureClass.CANCELLED,
    State.INTERRUPTED: FailureClass.INTERRUPTED,
    State.TIMED_OUT: FailureClass.TIMEOUT,
}


def ending_as(state: State, detail: str = "") -> Ending:
    """The ending that a cancellation to `state` is told as."""
    return Ending(state, _CLASS_OF.get(state, FailureClass.CANCELLED), detail)


def classify(status: int | None, ending: Ending | None, *, escaped: bool, partial_exit: int | None) -> Verdict:
    """Name an end.

    Args:
        status: the wait status of the command itself; None: it could not be reaped.
        ending: why we ended it; None: it ended by itself.
        escaped: some process of it is still there and cannot be killed.
        partial_exit: the exit code by which an in-process tool says that it answered in part.
    """
    code = os.waitstatus_to_exitcode(status) if status is not None else None
    exit_code = code if code is not None and code >= 0 else None
    signal = -code if code is not None and code < 0 else None
    if ending is not None:
        return Verdict(ending.state, FailureClass.ESCAPED if escaped else ending.failure, exit_code, signal)
    if escaped:
        return Verdict(State.FAILED, FailureClass.ESCAPED, exit_code, signal)
    if signal is not None:
        return Verdict(State.FAILED, FailureClass.SIGNAL, None, signal)
    if exit_code == 0 or (partial_exit is not None and exit_code == partial_exit):
        return Verdict(State.SUCCEEDED, None, exit_code, None)
    return Verdict(State.FAILED, FailureClass.EXIT, exit_code, None)
