"""The pipe by which whoever asked for a run asks for its end, or is found to be gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from parallel_runner.clock import FakeClock
from parallel_runner.reactor import Reactor
from parallel_runner.runner.lifeline import PATIENCE, Lifeline


class Line:
    """A lifeline with its other end, and what it has asked for."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reactor = Reactor(self.clock)
        self.read, self.write = os.pipe()
        self.asked: list[int] = []
        self.lifeline = Lifeline(self.read, self.reactor, self.asked.append)

    def hear(self) -> int:
        """How often an end has been asked for by now."""
        self.reactor.run_once(0)
        assert set(self.asked) <= {signal.SIGTERM}
        return len(self.asked)

    def hang_up(self) -> None:
        """Close the other end."""
        os.close(self.write)
        self.write = -1


@pytest.fixture
def line() -> Iterator[Line]:
    """One that is closed afterwards."""
    line = Line()
    yield line
    line.lifeline.close()
    line.reactor.close()
    os.close(line.read)
    if line.write >= 0:
        os.close(line.write)


def test_each_byte_asks_and_so_does_the_end(line: Line) -> None:
    assert line.hear() == 0
    os.write(line.write, b".")
    assert line.hear() == 1
    line.hang_up()
    assert line.hear() == 2, "whoever has asked, and then hangs up, insists"


def test_when_nobody_is_left_it_insists_by_itself_in_time(line: Line) -> None:
    line.hang_up()
    assert line.hear() == 1
    line.clock.advance(PATIENCE - 1)
    assert line.hear() == 1
    line.clock.advance(2)
    assert line.hear() == 2
    assert line.hear() == 2


def test_a_closed_one_does_not_insist(line: Line) -> None:
    line.hang_up()
    assert line.hear() == 1
    line.lifeline.close()
    line.clock.advance(PATIENCE + 1)
    assert line.hear() == 1
