"""What is told of how far a batch is."""

from __future__ import annotations

import os
import pty

from parallel_runner.clock import FakeClock
from parallel_runner.model.snapshot import PoolSnapshot
from parallel_runner.runner.progress import BAR_AFTER, LINE_INTERVAL, Bar, Counts, Left, Lines, band, eta, line


def test_the_time_that_is_left_follows_the_rate_so_far() -> None:
    assert eta(Counts(10, 0, 2, 40, True), 5.0) == (15.0, 15.0)
    assert eta(Counts(40, 0, 0, 40, True), 5.0) == (0.0, 0.0)
    assert eta(Counts(0, 0, 2, 40, True), 5.0) is None
    assert eta(Counts(10, 0, 2, 40, False), 5.0) is None, "nobody knows how many will come"


def test_counts_in_words() -> None:
    assert line(Counts(10, 1, 2, 40, True), 5.0) == "10 of 40 done, 1 failed, 2 in hand, about 15 s left"
    assert line(Counts(10, 0, 2, 40, False), 5.0) == "10 of 40 or more done, 2 in hand"


def test_the_band_is_as_wide_as_the_jobs_differ_and_few_have_ended() -> None:
    few, many = eta(Counts(4, 0, 2, 100, True, 0.5), 60.0), eta(Counts(900, 0, 2, 1000, True, 0.5), 60.0)
    assert few is not None and many is not None
    assert few.most / few.least > 1.5 > many.most / many.least
    assert line(Counts(4, 0, 2, 100, True, 0.5), 60.0) == "4 of 100 done, 2 in hand, 14 to 34 min left"
    assert band(Left(50.0, 300.0)) == "50 s to 5 min"


def test_pools_are_told_of_when_asked() -> None:
    clock = FakeClock()
    said: list[str] = []
    lines = Lines("b1", said.append, clock, 5.0, pools=True)
    clock.advance(5.0)
    pools = (PoolSnapshot(pool="bash", size=4, running=3, idle=1), PoolSnapshot(pool="grep", size=2, starting=2))
    lines.show(Counts(5, 0, 3, 10, True, 0.0, pools, {"bash": 7}))
    assert said[1:] == [
        "pool bash: 3 of 4 instances run, 1 idle, 7 jobs ready",
        "pool grep: 0 of 2 instances run, 0 idle, 2 starting, 0 jobs ready",
    ]


def test_lines_come_at_their_interval() -> None:
    clock = FakeClock()
    said: list[str] = []
    lines = Lines("b1", said.append, clock)
    lines.show(Counts(1, 0, 1, 10, True))
    assert not said
    for _ in range(2):
        clock.advance(LINE_INTERVAL)
        lines.show(Counts(5, 0, 1, 10, True))
        lines.show(Counts(5, 0, 1, 10, True))
    assert said == ["b1: 5 of 10 done, 1 in hand, about 30 s left", "b1: 5 of 10 done, 1 in hand, about 60 s left"]


def test_the_bar_is_one_line_that_makes_way() -> None:
    ours, theirs = pty.openpty()
    try:
        clock = FakeClock()
        bar = Bar("b7", theirs, clock)
        bar.show(Counts(1, 0, 1, 10, True))
        bar.hide()
        os.set_blocking(ours, False)
        clock.advance(BAR_AFTER)
        bar.show(Counts(3, 1, 1, 10, True))
        drawn = os.read(ours, 65536)
        assert drawn.startswith(b"\r\x1b[2Kb7 ")
        assert b"3/10" in drawn and b"1 failed" in drawn
        assert b"\n" not in drawn
        bar.hide()
        bar.hide()
        assert os.read(ours, 65536) == b"\r\x1b[2K", "once is enough"
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_that_takes_nothing_does_not_stop_the_jobs() -> None:
    ours, theirs = pty.openpty()
    try:
        clock = FakeClock()
        bar = Bar("b7", theirs, clock)
        for done in range(2000):
            clock.advance(BAR_AFTER)
            bar.show(Counts(done, 0, 1, 2000, True))
        # Nobody has read; it returns all the same.
        bar.hide()
    finally:
        os.close(ours)
        os.close(theirs)
