"""Where a job is, and what is said of it."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import msgspec
import pytest

from parallel_runner.cli.moments import moment
from parallel_runner.errors import UsageError
from parallel_runner.journal.store import AttemptRow
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome, Usage
from parallel_runner.model.terms import Limits, RetryPolicy, Terms
from parallel_runner.reports.exit_words import exit_words
from parallel_runner.reports.story import Known, place_of
from parallel_runner.reports.telling import size_text
from parallel_runner.reports.waiting import HeldLock, Member, need_of
from parallel_runner.reports.workers import LiveWorker

JOB = (1 << 32) | 3
NOW = 1_700_000_000.0
TERMS = Terms(limits=Limits(timeout=60), retry=RetryPolicy(max=3, backoff=10))


def row(outcome: Outcome, *, final: bool = True) -> AttemptRow:
    return AttemptRow(outcome=outcome, final=final, terms=0, name="", payload=b"")


def known(**changes: object) -> Known:
    base = Known(JOB, TERMS, (), True, (), (), False, None, True, "open", NOW)
    return base._replace(**changes)  # type: ignore[arg-type]


def failed(number: int, **changes: object) -> Outcome:
    base = Outcome(
        JOB << 8 | number, State.FAILED, FailureClass.EXIT, exit_code=1, started_at=NOW - 5, usage=Usage(2)
    )
    return msgspec.structs.replace(base, **changes)


def live(attempt: int, condition: str = "run") -> LiveWorker:
    return LiveWorker("w-1", condition, "bash", 77, attempt, NOW - 12)


def test_running_tells_since_when_and_how_long_it_may() -> None:
    place = place_of(known(holder=live(JOB << 8 | 1)))
    assert place.where == "running"
    assert place.reason == "running as b1.3.1 on worker w-1 (pid 77) for 12 s, of at most 60 s"
    assert "its runner is dead" in place_of(known(holder=live(JOB << 8 | 1, "orphan"), runner_alive=False)).reason


def test_promised_to_a_worker_that_runs_another() -> None:
    assert place_of(known(holder=live(JOB + 1 << 8 | 1))).where == "promised"


def test_a_result_that_a_dead_runner_s_worker_left_is_taken_over_later() -> None:
    left = live(0, "orphan")._replace(ended=frozenset({JOB << 8 | 1, JOB + 1 << 8 | 1}), lives=False)
    place = place_of(known(holder=left, runner_alive=False))
    assert place == (
        "stopped",
        "has ended as b1.3.1; its runner is dead, its result is taken over by the next command",
        None,
        0.0,
    )
    place = place_of(known(holder=left._replace(condition="run", lives=True)))
    assert (place.where, place.reason) == (
        "running",
        "has ended as b1.3.1; its runner is about to record that",
    )
    before = place_of(known(holder=left, runner_alive=False, rows=[row(failed(1), final=False)]))
    assert before.reason == "nobody runs its batch now: it is interrupted", "that attempt is recorded already"


def test_a_dead_worker_holds_nothing_but_what_it_began() -> None:
    dead = live(JOB << 8 | 1, "orphan")._replace(lives=False)
    place = place_of(known(holder=dead, runner_alive=False))
    assert place.where == "stopped"
    assert "both died while it ran as b1.3.1" in place.reason
    for other in (live(0, "orphan")._replace(lives=False), live(JOB + 1 << 8 | 1, "orphan")._replace(freed=True)):
        place = place_of(known(holder=other, runner_alive=False))
        assert place.reason == "nobody runs its batch now: it is interrupted"


@pytest.mark.parametrize(
    ("state", "told"), [("open", "interrupted"), ("interrupted", "interrupted"), ("paused", "paused")]
)
def test_nobody_runs_the_batch(state: str, told: str) -> None:
    place = place_of(known(runner_alive=False, batch_state=state))
    assert place == ("stopped", f"nobody runs its batch now: it is {told}", None, 0.0)


def member(seq: int, state: State | None = None) -> Member:
    return Member((1 << 32) | seq, None, state)


@pytest.mark.parametrize(
    ("kind", "when", "members", "reason"),
    [
        ("job", "succeeded", [member(1)], "waits until b1.1 (x) succeeded"),
        ("foreach", "succeeded", [member(1), member(2)], "waits until all jobs of x have succeeded (2 not ended)"),
        (
            "foreach",
            "finished",
            [member(1, State.FAILED), member(2)],
            "waits until all jobs of x have ended (1 not ended)",
        ),
        ("phase", "finished", [member(1)], "waits until x has ended (1 not ended)"),
        ("main", "finished", [member(1)], "waits until every other job has ended (1 not ended)"),
    ],
)
def test_what_is_waited_for_is_named(kind: str, when: str, members: list[Member], reason: str) -> None:
    met = need_of("job", None, "finished", [member(9, State.FAILED)])
    place = place_of(known(needs=[need_of(kind, "x", when, members), met]))
    assert (place.where, place.reason) == ("waits_for_jobs", reason)


def test_who_is_to_blame() -> None:
    mixed = [member(1, State.SUCCEEDED), member(2, State.FAILED), member(3)]
    assert need_of("foreach", "x", "succeeded", mixed).because_of == ("b1.3",)
    ended = need_of("foreach", "x", "succeeded", mixed[:2])
    assert (ended.state, ended.met, ended.because_of) == (State.FAILED, False, ("b1.2",))
    assert need_of("foreach", "x", "failed", mixed[:2]).met
    assert need_of("job", "x", "failed", mixed[:1]).because_of == ("b1.1",)
    assert need_of("foreach", "x", "succeeded", []).met, "of no jobs none has failed"


def test_a_lock_that_another_has() -> None:
    place = place_of(known(locks=[HeldLock("db", (1 << 32) | 7)]))
    assert place == ("waits_for_lock", "waits for lock db, which b1.7 has", None, 0.0)


def test_a_batch_that_starts_nothing_new_after_a_failure() -> None:
    assert "(on_failure: pause)" in place_of(known(pauses=True)).reason


def test_when_a_retry_is_due() -> None:
    # The second attempt failed and ended 3 s ago; the delay before the third is 20 s.
    rows = [row(failed(1), final=False), row(failed(2), final=False)]
    place = place_of(known(rows=rows))
    assert (place.where, place.due) == ("waits_for_retry", NOW - 3 + 20)
    assert place.reason == "attempt 3 is due in 17 s"
    assert place_of(known(rows=rows, now=NOW + 60)).where == "waits_for_turn"


def test_an_end_that_was_opened_again_is_no_end() -> None:
    assert place_of(known(rows=[row(failed(1))], pending=False)).where == "ended"
    assert place_of(known(rows=[row(failed(4))], pending=True)).where == "waits_for_turn"


def test_a_quarantine_says_how_often_its_worker_died() -> None:
    lost = [row(failed(n, failure=FailureClass.WORKER_LOST, exit_code=None), final=False) for n in (1, 2)]
    last = failed(3, failure=FailureClass.WORKER_LOST, state=State.QUARANTINED, exit_code=None)
    assert "its worker died 3 times" in place_of(known(rows=[*lost, row(last)], pending=False)).reason


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (failed(1, exit_code=126), "found, but not executable"),
        (failed(1, exit_code=127), "not found"),
        (
            failed(1, exit_code=137),
            "128 + 9, as a shell says that a command of it was ended by signal 9 (KILL: Killed)",
        ),
        (
            failed(1, failure=FailureClass.SIGNAL, signal=11, exit_code=None),
            "ended by signal 11 (SEGV: Segmentation fault)",
        ),
        (failed(1, failure=FailureClass.OOM, exit_code=None), "it used more memory than its limit allows"),
        (failed(1), ""),
        (failed(1, exit_code=250), ""),
        (Outcome(1, State.SUCCEEDED, exit_code=0), ""),
    ],
)
def test_exit_codes_in_words(outcome: Outcome, words: str) -> None:
    assert exit_words(outcome, "bash") == words


def test_exit_codes_of_other_tools_are_their_own() -> None:
    assert exit_words(failed(1, exit_code=127), "python") == ""


@pytest.mark.parametrize("failure", FailureClass)
def test_each_class_is_worded_or_speaks_for_itself(failure: FailureClass) -> None:
    words = exit_words(Outcome(1, State.FAILED, failure, exit_code=None, signal=None), "bash")
    assert words or failure in (
        FailureClass.EXIT,
        FailureClass.SIGNAL,
        FailureClass.BUDGET,
        FailureClass.DEPTH_LIMIT,
    )


NOON = datetime(2026, 3, 10, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2h", datetime(2026, 3, 10, 10, 0, tzinfo=timezone.utc)),
        ("3d", datetime(2026, 3, 7, 12, 0, tzinfo=timezone.utc)),
        ("1h30m", datetime(2026, 3, 10, 10, 30, tzinfo=timezone.utc)),
        ("2026-03-01T14:30Z", datetime(2026, 3, 1, 14, 30, tzinfo=timezone.utc)),
        ("2026-03-01T14:30+02:00", datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)),
        ("2026-03-01", datetime(2026, 3, 1)),
        ("yesterday", datetime(2026, 3, 9)),
    ],
)
def test_moments(text: str, when: datetime) -> None:
    assert moment(text, NOON if when.tzinfo else NOON.astimezone(), "--since") == when.timestamp()


@pytest.mark.parametrize("text", ["", "17", "soon", "2026-13-01", "-2h"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--until {text}: give a date")):
        moment(text, NOON, "--until")


def test_sizes() -> None:
    assert [size_text(size) for size in (0, 512, 1024, 10 * 1024**2, 1536, 2 * 1024**4)] == [
        "0",
        "512",
        "1K",
        "10M",
        "1.5K",
        "2T",
    ]
