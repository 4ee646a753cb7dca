"""What went wrong, grouped: all of it counted, a little of it named, none of it dangerous to a terminal."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import NOT_KEPT, Outcome
from parallel_runner.reports.failures import MOST_GROUPS, Failed, group, told
from parallel_runner.reports.plain import columns, first_line, one_line
from parallel_runner.reports.summary import KEPT, Failures, label_of, next_commands


def attempt(seq: int) -> int:
    return (1 << 40) | (seq << 8) | 1


def failure(seq: int, label: str = "exit 1", full: str = "gzip -9", program: str = "gzip") -> Failed:
    return Failed(attempt(seq), label, label.split()[0], full, program)


def counted(rows: list[Failed]) -> Mapping[str, int]:
    labels: dict[str, int] = {}
    for row in rows:
        labels[row.label] = labels.get(row.label, 0) + 1
    return labels


def test_all_are_counted_and_few_are_kept() -> None:
    failures = Failures()
    for seq in range(1, KEPT + 2001):
        failures.add(Outcome(attempt(seq), State.FAILED, FailureClass.EXIT, exit_code=1 + seq % 2))
    for code in range(3, 200):
        failures.add(Outcome(attempt(1), State.FAILED, FailureClass.EXIT, exit_code=code))
    assert failures.count == KEPT + 2197
    assert sum(failures.labels.values()) == failures.count
    assert len(failures.labels) == 21
    assert len(failures.attempts) == KEPT


def test_labels() -> None:
    assert label_of(Outcome(1, State.FAILED, FailureClass.EXIT, exit_code=7)) == "exit 7"
    assert label_of(Outcome(1, State.FAILED, FailureClass.SIGNAL, signal=9)) == "signal KILL"
    assert label_of(Outcome(1, State.FAILED, FailureClass.SIGNAL, signal=99)) == "signal 99"
    assert label_of(Outcome(1, State.TIMED_OUT, FailureClass.TIMEOUT, detail="timed out after 5 s")) == "timeout"


def test_the_largest_group_comes_first_with_hints_that_differ() -> None:
    rows = [failure(1), *[failure(seq, "timeout", "curl -s", "curl") for seq in range(2, 9)]]
    hints = {attempt(2): "no route", attempt(3): "no route", attempt(4): "refused", attempt(1): "no such file"}
    assert list(told(group(rows, counted(rows)), hints)) == [
        "  timeout (curl -s): b1.2, b1.3, b1.4 and 4 more",
        "      b1.2: no route",
        "      b1.4: refused",
        "  exit 1 (gzip -9): b1.1",
        "      b1.1: no such file",
    ]


def test_too_many_signatures_fall_back_to_programs_and_then_to_one_group() -> None:
    rows = [failure(seq, full=f"gzip -{chr(96 + seq)}") for seq in range(1, 27)]
    assert [(one.work, one.size) for one in group(rows, counted(rows))] == [("gzip", 26)]
    rows = [failure(seq, full=f"p{seq}", program=f"p{seq}") for seq in range(1, 61)]
    groups = group(rows, counted(rows))
    assert len(groups) == MOST_GROUPS
    assert (groups[-1].label, groups[-1].size) == ("other", 41)


def test_what_was_only_counted_is_told() -> None:
    groups = group([failure(1)], {"exit 1": 11, "other": 4})
    assert list(told(groups, {})) == [
        "  exit 1 (gzip -9): b1.1",
        "  exit 1: 10 more, not looked at",
        "  other: 4 more, not looked at",
    ]


@given(
    st.lists(
        st.builds(
            failure,
            st.integers(1, 50),
            st.sampled_from([f"exit {code}" for code in range(1, 8)]),
            st.sampled_from([f"w{number}" for number in range(40)]),
            st.sampled_from(["a", "b", "c", "d"]),
        ),
        max_size=80,
    ),
    st.integers(0, 9),
)
def test_nothing_is_lost_by_grouping(rows: list[Failed], unseen: int) -> None:
    labels = {**counted(rows), "other": unseen}
    groups = group(rows, labels)
    assert sum(one.size for one in groups) == len(rows) + unseen
    assert len(groups) <= MOST_GROUPS
    seen = [one.size for one in groups if one.attempts and one.label != "other"]
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"\n\n  \nfirst\nsecond", "first"),
        (b"\x1b[31mred\x1b[0m text", "red text"),
        (b"\x1b]0;title\x07shown", "shown"),
        (b"a\x1bcb\x9b2Jc", "ab\\x9b2Jc"),
        (b"over\rwritten", "over"),
        ("a\u202eb\u200bc".encode(), "a\\u202eb\\u200bc"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"x" * 200, "x" * 39 + "…"),
        ("漢" * 30, "漢" * 19 + "…"),
        (b"", ""),
    ],
)
def test_a_line_fit_for_a_terminal(data: bytes | str, line: str) -> None:
    assert first_line(data if isinstance(data, bytes) else data.encode(), 40) == line


@given(st.binary(max_size=400) | st.text(max_size=100), st.integers(2, 60))
def test_nothing_moves_the_cursor(data: bytes | str, width: int) -> None:
    line = one_line(data, width)
    assert columns(line) <= width
    assert line.isprintable()
    assert "\x1b" not in line


def test_the_exact_lines_to_type() -> None:
    tally = {State.FAILED: 3, State.TIMED_OUT: 1, State.SUCCEEDED: 5}
    assert next_commands(17, tally, 0, ["exit", "timeout"]) == [
        "to run the failed ones again: parallel-runner retry b17",
        "only those of one class: parallel-runner retry b17 --class exit",
    ]
    assert next_commands(17, tally, 0, ["exit"]) == ["to run the failed ones again: parallel-runner retry b17"]
    assert next_commands(17, {State.SUCCEEDED: 5}, 0) == []


def test_outputs_that_were_lost_are_counted_even_of_jobs_that_succeeded() -> None:
    failures = Failures()
    failures.note(Outcome(1 << 40, State.SUCCEEDED))
    assert (failures.count, failures.unkept) == (0, 0)
    failures.note(Outcome(1 << 40, State.SUCCEEDED, detail=f"left over and ended: sleep(7); {NOT_KEPT}"))
    assert (failures.count, failures.unkept) == (0, 1)
