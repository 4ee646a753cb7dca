"""What is kept, as a user asks for it and has it removed."""

from __future__ import annotations

import pytest

from tests.support.cli import Program


@pytest.mark.parametrize(
    "arguments",
    [
        ("history", "-n", "99999999999999999999"),
        ("prune", "--days", "99999999"),
        ("run", "--memory", "99999999999T", "true", ":::", "1"),
        ("run", "--max-output", "99999999999T", "true", ":::", "1"),
    ],
)
def test_numbers_beyond_all_measure_are_a_fault_of_usage(program: Program, arguments: tuple[str, ...]) -> None:
    done = program(*arguments)
    assert done.returncode == 102, done.stderr
    assert arguments[1].encode() in done.stderr
    assert not (program.home / "state" / "journal.db").exists()


def test_the_largest_that_is_taken_works(program: Program) -> None:
    done = program("run", "--max-output", "8388607T", "--memory", "8388607T", "echo {}", ":::", "1")
    assert (done.returncode, done.stdout) == (0, b"1\n")
    assert program("history", "-n", "1000000").returncode == 0
    assert program("prune", "--days", "36500").returncode == 0


def test_a_home_may_begin_with_two_slashes(program: Program) -> None:
    home = f"/{program.home}"
    assert program("run", "--home", home, "echo {}", ":::", "1").returncode == 0
    for verb in (("history",), ("results", "b1"), ("logs", "b1.1")):
        done = program(*verb, "--home", home)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_what_was_just_done_can_be_removed_at_once(program: Program) -> None:
    assert program("run", "echo {}", ":::", "1", "2", "3").returncode == 0
    done = program("prune", "--days", "0")
    assert done.stdout.startswith(b"removed 1 batches"), done.stdout
    assert program("history").stdout == b""
