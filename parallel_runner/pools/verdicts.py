"""Whether an attempt that ended by itself did what it should: exit code, what it printed, a command that checks.

Judged in the worker, so that what a recovery adopts is judged as well.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from parallel_runner.journal.segments import read_output
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome, Output
from parallel_runner.model.ports import JobContext, Launch
from parallel_runner.model.terms import Expectation, Limits, Terms, Validation
from parallel_runner.tools.bash import BashPayload, BashTool

_SAID = 200
"""Bytes of what a check printed last that are told."""
STDOUT, STDERR, EXIT = b"PARALLEL_RUNNER_STDOUT", b"PARALLEL_RUNNER_STDERR", b"PARALLEL_RUNNER_EXIT"
SEARCH_TIME = 10.0
"""Seconds that looking for one regular expression may take: some take for ever."""
_FOUND, _NOT_FOUND = 0, 4
Search = Callable[[Callable[[], int]], Outcome]
"""Runs a function in a process of its own, within SEARCH_TIME; its result is the exit code."""
_ENDED_FROM_OUTSIDE = frozenset({State.CANCELLED, State.INTERRUPTED})
_SETTLED = frozenset({State.SUCCEEDED, State.FAILED})


def meets(expect: Expectation, outcome: Outcome, outputs: str, search: Search) -> Outcome:
    """The outcome by what was expected: an exit code may be a success, and a success a failure.

    Args:
        expect: what was.
        outcome: of an attempt that was not ended from outside.
        outputs: directory of the segment files.
        search: looks for regular expressions; when that is ended from outside, the attempt is.
    """
    if (
        outcome.exit_code is None
        or outcome.state not in _SETTLED
        or outcome.failure not in (None, FailureClass.EXIT)
    ):
        return outcome
    # What answered in part has its own exit code, and has succeeded.
    if outcome.exit_code not in expect.exit and not outcome.partial:
        return _failed(outcome, f"exit code {outcome.exit_code}, expected {' or '.join(map(str, expect.exit))}")
    for name, output, pattern, text in (
        ("stdout", outcome.out, expect.stdout, expect.stdout_contains),
        ("stderr", outcome.err, expect.stderr, expect.stderr_contains),
    ):
        if not pattern and not text:
            continue
        printed = b"".join(read_output(outputs, output)).decode("utf-8", "surrogateescape")
        if pattern:
            look = search(_looking(pattern, printed))
            if look.state in _ENDED_FROM_OUTSIDE:
                return _ended_like(outcome, look)
            if complaint := _complaint(look, name, pattern):
                return _failed(outcome, complaint)
        if text and text not in printed:
            return _failed(outcome, f"{name} does not contain {text!r}, which was expected")
    return msgspec.structs.replace(outcome, state=State.SUCCEEDED, failure=None)


def _looking(pattern: str, printed: str) -> Callable[[], int]:
    return lambda: _FOUND if re.search(pattern, printed, re.MULTILINE) else _NOT_FOUND


def _complaint(look: Outcome, name: str, pattern: str) -> str:
    """What is wrong by the outcome of a search; empty: it found something."""
    if look.exit_code == _FOUND:
        return ""
    if look.exit_code == _NOT_FOUND:
        return f"{name} has no match for {pattern!r}, which was expected"
    if look.state is State.TIMED_OUT:
        return f"expect took too long to decide: looking for {pattern!r} in {name} was given up ({look.detail})"
    how = look.detail or (f"exit code {look.exit_code}" if look.signal is None else f"signal {look.signal}")
    return f"expect could not be decided: looking for {pattern!r} in {name} failed ({how})"


def search_terms(terms: Terms) -> Terms:
    """On what terms a regular expression is looked for: within its own time, under no limit of the job."""
    return Terms(limits=Limits(timeout=SEARCH_TIME), leftovers=terms.leftovers)


def _failed(outcome: Outcome, why: str) -> Outcome:
    detail = f"{why}; {outcome.detail}" if outcome.detail else why
    return msgspec.structs.replace(outcome, state=State.FAILED, failure=FailureClass.EXIT, detail=detail)


def _ended_like(outcome: Outcome, other: Outcome) -> Outcome:
    return msgspec.structs.replace(outcome, state=other.state, failure=other.failure, detail=other.detail)


def check_terms(terms: Terms, validation: Validation) -> Terms:
    """On what terms the checking command runs: the job's, within its own time, keeping little of what it prints."""
    limits = msgspec.structs.replace(terms.limits, timeout=validation.timeout, max_output=64 * 1024)
    return msgspec.structs.replace(terms, tool="bash", stdin=None, limits=limits, expect=None, validate=None)


@contextmanager
def check_launch(
    validation: Validation, outcome: Outcome, outputs: str, env: Mapping[bytes, bytes], cwd: bytes
) -> Iterator[tuple[Launch, dict[bytes, bytes]]]:
    """How to start the checking command, and its environment, which names files with what the job printed.

    The files have no names of their own: they are gone with the worker, however that ends.
    """
    with _file(outcome.out, outputs) as out, _file(outcome.err, outputs) as err:
        own = {
            **env,
            STDOUT: b"/proc/%d/fd/%d" % (os.getpid(), out),
            STDERR: b"/proc/%d/fd/%d" % (os.getpid(), err),
            EXIT: b"%d" % (outcome.exit_code or 0),
        }
        context = JobContext(cwd, own, 0, outcome.attempt)
        yield BashTool().prepare(BashPayload(command=validation.command), context), own


@contextmanager
def _file(output: Output, outputs: str) -> Iterator[int]:
    with tempfile.TemporaryFile(dir=outputs) as file:
        for piece in read_output(outputs, output):
            file.write(piece)
        file.flush()
        yield file.fileno()


def by_check(outcome: Outcome, check: Outcome, read: Callable[[Output], bytes]) -> Outcome:
    """The outcome of an attempt by that of its check.

    Args:
        outcome: of the attempt, which had succeeded.
        check: of the command.
        read: gives back what was kept of a stream.
    """
    if check.state is State.SUCCEEDED:
        return outcome
    if check.state not in (State.FAILED, State.TIMED_OUT, State.REJECTED):
        # Cancelled or interrupted, and with it the attempt that it belongs to.
        return _ended_like(outcome, check)
    how = check.detail or (f"exit code {check.exit_code}" if check.signal is None else f"signal {check.signal}")
    said = (read(check.err) or read(check.out)).strip()[-_SAID:].decode("utf-8", "replace")
    last = said.splitlines()[-1] if said else ""
    return _failed(outcome, f"not validated: {how}{': ' + last if last else ''}")
