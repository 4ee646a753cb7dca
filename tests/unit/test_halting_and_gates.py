"""When a batch ends early, and what holds starts back."""

from __future__ import annotations

import pytest

from parallel_runner.errors import UsageError
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome, Usage
from parallel_runner.runner.pacing import MedianTimeout
from parallel_runner.scheduler.gates import Gates, Machine, StartGate, parse_delay
from parallel_runner.scheduler.halting import Halt, Tally, exit_code, exit_code_unreached, parse_halt, reached


@pytest.mark.parametrize(
    ("text", "halt"),
    [
        ("never", None),
        ("0", None),
        ("now,fail=1", Halt(True, "fail", 1, False)),
        ("soon,success=3", Halt(False, "success", 3, False)),
        ("soon,done=25.5%", Halt(False, "done", 25.5, True)),
        ("2", Halt(True, "fail", 1, False)),
        ("-1", Halt(False, "success", 1, False)),
        ("30%", Halt(False, "fail", 30, True)),
    ],
)
def test_what_halt_says(text: str, halt: Halt | None) -> None:
    assert parse_halt(text) == halt


@pytest.mark.parametrize("text", ["", "now", "now,fail=0", "later,fail=1", "now,fail=1.5", "now,fail=x", "3"])
def test_what_halt_cannot_say(text: str) -> None:
    with pytest.raises(UsageError, match="--halt"):
        parse_halt(text)


@pytest.mark.parametrize(
    ("text", "tally", "own", "code"),
    [
        ("now,fail=1", Tally(1, 3, 9), 7, 7),
        ("soon,fail=2", Tally(2, 3, 9), 7, 2),
        ("soon,done=3", Tally(2, 3, 9), 7, 2),
        ("now,success=1", Tally(2, 3, 9), 0, 0),
        ("soon,fail=50%", Tally(3, 4, 6), 7, 50),
        ("soon,fail=200", Tally(200, 200, 300), 7, 101),
    ],
)
def test_exit_codes_once_reached(text: str, tally: Tally, own: int, code: int) -> None:
    halt = parse_halt(text)
    assert halt is not None
    assert reached(halt, tally)
    assert exit_code(halt, tally, own) == code


def test_not_reached() -> None:
    halt = parse_halt("soon,fail=50%")
    assert halt is not None
    assert not reached(halt, Tally(2, 5, 6))
    assert exit_code_unreached(halt, Tally(2, 6, 6)) == 34
    assert exit_code_unreached(Halt(True, "fail", 3, False), Tally(2, 6, 6)) is None


def test_delay_between_starts() -> None:
    gate = StartGate(Gates(delay=2.0))
    assert gate.allowed(10.0) == 1
    gate.started(10.0)
    assert gate.allowed(11.9) == 0
    assert gate.next_look(11.0) == 12.0
    assert gate.allowed(12.0) == 1


def test_delay_that_adapts() -> None:
    gate = StartGate(Gates(*parse_delay("1auto")))
    gate.ended(succeeded=False)
    assert gate.delay == pytest.approx(1.3)
    gate.ended(succeeded=True)
    assert gate.delay == pytest.approx(1.17)
    with pytest.raises(UsageError):
        parse_delay("auto")


def test_the_machine_holds_starts_back() -> None:
    gate = StartGate(Gates(load=4, memory_free=1 << 30))
    assert gate.wants_look(0.0)
    gate.saw(Machine(runnable=4, available=2 << 30), 0.0)
    assert gate.allowed(0.0) == 0
    assert "4 processes want to run" in gate.reason()
    gate.saw(Machine(runnable=1, available=1 << 20), 1.0)
    assert "1 MiB of memory" in gate.reason()
    gate.saw(Machine(runnable=1, available=2 << 30), 2.0)
    assert gate.allowed(2.0) == 1, "one for each look: the others would see the same room"
    assert not gate.wants_look(2.5)


def test_the_median_bounds_what_takes_much_longer() -> None:
    median = MedianTimeout(200.0)
    median.began(7, 0.0)
    assert median.overdue(1e9) == []
    for attempt, wall in ((1, 1.0), (2, 2.0), (3, 9.0)):
        median.ended(Outcome(attempt, State.SUCCEEDED, usage=Usage(wall)))
    assert median.limit == 4.0
    assert median.next_moment() == 4.0
    assert median.overdue(3.9) == []
    assert median.overdue(4.0) == [7]
    assert median.overdue(5.0) == [], "each is told once"
