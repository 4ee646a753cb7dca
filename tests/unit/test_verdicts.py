"""What an attempt must look like, and what a check makes of it: pure but for outputs in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parallel_runner.journal.segments import SegmentWriter
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome, Output, shell_status
from parallel_runner.model.terms import Expectation, Terms, Validation
from parallel_runner.pools.verdicts import by_check, check_terms, meets


def search(look: Callable[[], int]) -> Outcome:
    return ended(look())


def ended(code: int, out: bytes = b"", err: bytes = b"", *, partial: bool = False) -> Outcome:
    good = not code or partial
    return Outcome(
        1,
        State.SUCCEEDED if good else State.FAILED,
        None if good else FailureClass.EXIT,
        exit_code=code,
        out=Output(len(out), out),
        err=Output(len(err), err),
        partial=partial,
    )


@pytest.mark.parametrize(
    ("expect", "outcome", "state", "detail"),
    [
        (Expectation(exit=(0, 3)), ended(3), State.SUCCEEDED, ""),
        (Expectation(exit=(3,)), ended(0), State.FAILED, "exit code 0, expected 3"),
        (Expectation(stdout="^b$"), ended(0, b"a\nb\nc"), State.SUCCEEDED, ""),
        (
            Expectation(stdout="^d$"),
            ended(0, b"a"),
            State.FAILED,
            "stdout has no match for '^d$', which was expected",
        ),
        (Expectation(stderr_contains="x"), ended(0, b"x"), State.FAILED, "stderr does not contain 'x', which was"),
        (Expectation(stdout="a"), ended(1, b"a"), State.FAILED, "exit code 1, expected 0"),
        (Expectation(stdout="\udcff"), ended(0, b"\xff"), State.SUCCEEDED, ""),
        (Expectation(stdout="a"), ended(3, b"a", partial=True), State.SUCCEEDED, ""),
    ],
)
def test_what_is_expected_decides(expect: Expectation, outcome: Outcome, state: State, detail: str) -> None:
    after = meets(expect, outcome, "/nowhere", search)
    assert after.state is state
    assert after.failure is (None if state is State.SUCCEEDED else FailureClass.EXIT)
    assert after.detail.startswith(detail)
    assert (shell_status(after) == 0) == (state is State.SUCCEEDED and not after.exit_code)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(1, State.TIMED_OUT, FailureClass.TIMEOUT, signal=15),
        Outcome(1, State.FAILED, FailureClass.SIGNAL, signal=9),
        Outcome(1, State.CANCELLED, FailureClass.CANCELLED, exit_code=0),
        Outcome(1, State.FAILED, FailureClass.SPAWN, exit_code=127),
    ],
)
def test_what_did_not_end_by_itself_is_left_as_it_is(outcome: Outcome) -> None:
    assert meets(Expectation(exit=(0, 1, 127), stdout="x"), outcome, "/nowhere", search) == outcome


@pytest.mark.parametrize(
    ("look", "told"),
    [
        (
            Outcome(1, State.TIMED_OUT, FailureClass.TIMEOUT, signal=15, detail="timed out after 10 s"),
            "expect took too long to decide: looking for 'a' in stdout was given up (timed out after 10 s)",
        ),
        (
            Outcome(1, State.FAILED, FailureClass.SPAWN, detail="could not be started"),
            "expect could not be decided: looking for 'a' in stdout failed (could not be started)",
        ),
        (
            Outcome(1, State.FAILED, FailureClass.SIGNAL, signal=9),
            "expect could not be decided: looking for 'a' in stdout failed (signal 9)",
        ),
        (ended(1), "expect could not be decided: looking for 'a' in stdout failed (exit code 1)"),
    ],
)
def test_a_search_that_comes_to_nothing_fails_the_attempt(look: Outcome, told: str) -> None:
    after = meets(Expectation(stdout="a"), ended(0, b"a"), "/nowhere", lambda _: look)
    assert (after.state, after.failure, after.exit_code, after.detail) == (State.FAILED, FailureClass.EXIT, 0, told)


def test_a_search_that_was_ended_ends_the_attempt_the_same_way() -> None:
    gone = Outcome(1, State.CANCELLED, FailureClass.CANCELLED, signal=15)
    after = meets(Expectation(stdout="a"), ended(0, b"a"), "/nowhere", lambda _: gone)
    assert (after.state, after.failure) == (State.CANCELLED, FailureClass.CANCELLED)


def test_text_is_looked_for_without_a_search() -> None:
    def refuse(_: Callable[[], int]) -> Outcome:
        raise AssertionError

    assert meets(Expectation(stdout_contains="a"), ended(0, b"a"), "/nowhere", refuse).succeeded


def test_long_outputs_are_read_back(tmp_path: Path) -> None:
    writer = SegmentWriter(str(tmp_path), "w.seg")
    output = Output(9, b"head ", (writer.append(b"tail"),))
    writer.close()
    outcome = Outcome(1, State.SUCCEEDED, exit_code=0, out=output)
    assert meets(Expectation(stdout="^head tail$"), outcome, str(tmp_path), search).state is State.SUCCEEDED


def read(output: Output) -> bytes:
    return output.inline


def test_a_check_that_fails_fails_the_attempt() -> None:
    good = ended(0)
    assert by_check(good, ended(0), read) == good
    assert by_check(good, ended(2), read).detail == "not validated: exit code 2"
    assert by_check(good, ended(2, err=b"one\ntwo\n"), read).detail == "not validated: exit code 2: two"
    assert by_check(good, ended(2, out=b"said\n"), read).detail == "not validated: exit code 2: said"
    killed = Outcome(1, State.FAILED, FailureClass.SIGNAL, signal=9)
    assert by_check(good, killed, read).detail == "not validated: signal 9"
    late = Outcome(1, State.TIMED_OUT, FailureClass.TIMEOUT, detail="timed out after 1 s")
    assert by_check(good, late, read).failure is FailureClass.EXIT


def test_a_check_that_was_ended_ends_the_attempt_the_same_way() -> None:
    gone = Outcome(1, State.INTERRUPTED, FailureClass.INTERRUPTED, signal=15)
    after = by_check(ended(0), gone, read)
    assert (after.state, after.failure) == (State.INTERRUPTED, FailureClass.INTERRUPTED)


def test_a_check_runs_on_the_terms_of_the_job_within_its_own_time() -> None:
    terms = Terms(tool="grep", cwd=b"/x", stdin=b"in", expect=Expectation(), env=((b"A", b"1"),))
    own = check_terms(terms, Validation(b"true", 3.0))
    assert (own.tool, own.cwd, own.env, own.stdin, own.expect) == ("bash", b"/x", ((b"A", b"1"),), None, None)
    assert own.limits.timeout == 3.0
