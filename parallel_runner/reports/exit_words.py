"""What an exit code or a signal means, in words. Pure."""

from __future__ import annotations

import signal

from parallel_runner.model.lifecycle import FailureClass
from parallel_runner.model.outcome import Outcome

_BY_CODE = {
    124: "as timeout(1) says that its command took too long",
    125: "as env, timeout, docker and others say that they failed themselves",
    126: "found, but not executable",
    127: "not found",
    255: "as ssh says that the connection failed, and programs that exit with -1",
}
_BY_CLASS = {
    FailureClass.TIMEOUT: "it ran longer than its limit allows",
    FailureClass.OOM: "it used more memory than its limit allows",
    FailureClass.SPAWN: "it could not be started",
    FailureClass.POLICY: "the command policy does not allow it",
    FailureClass.DEPENDENCY: "a job that it needs did not end as it must",
    FailureClass.CANCELLED: "somebody ended it",
    FailureClass.INTERRUPTED: "its runner was told to end",
    FailureClass.WORKER_LOST: "the worker that ran it died",
    FailureClass.UNKNOWN: "runner and worker died while it ran; nobody knows whether it ran to its end",
    FailureClass.OUTPUT_LIMIT: "it wrote more than its limit allows",
    FailureClass.ESCAPED: "processes that it started could not be killed",
}


def signal_words(number: int) -> str:
    """`signal 9 (KILL: Killed)`."""
    try:
        name = signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return f"signal {number}"
    return f"signal {number} ({name}: {signal.strsignal(number) or name})"


def exit_words(outcome: Outcome, tool: str) -> str:
    """Why an attempt did not succeed, in words; empty where its class and its exit code say it all.

    Args:
        outcome: how it ended.
        tool: its tool; exit codes mean what a shell means by them only for commands.
    """
    if outcome.failure is FailureClass.SIGNAL and outcome.signal is not None:
        return f"ended by {signal_words(outcome.signal)}"
    if outcome.failure is FailureClass.EXIT and outcome.exit_code is not None and tool == "bash":
        return _code_words(outcome.exit_code)
    return _BY_CLASS.get(outcome.failure, "") if outcome.failure else ""


def _code_words(code: int) -> str:
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    if 128 < code < 128 + signal.NSIG:
        return f"128 + {code - 128}, as a shell says that a command of it was ended by {signal_words(code - 128)}"
    return ""
