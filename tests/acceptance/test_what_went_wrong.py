"""What is said at the end of a batch that did not go well, and what can be typed next."""

from __future__ import annotations

import re

from tests.support.cli import Program


def test_failures_are_grouped_with_hints_and_the_exact_retry_line(program: Program) -> None:
    lines = b"".join(b"ls --all /nowhere/%d\n" % number for number in range(5))
    lines += b"echo '\\033[2Jcursor' | sed 's/.*/\\x1b[2Jboom/' >&2; exit 3\nsleep 30\n" + b"true\n"
    done = program("run", "--timeout", "0.5", stdin=lines)
    assert done.returncode == 7
    told = [line.removeprefix("parallel-runner: ") for line in done.stderr.decode().splitlines()]
    start = told.index("  exit 2 (ls --all): b1.1, b1.2, b1.3 and 2 more")
    assert re.match(r"      b1\.1: ls: cannot access '/nowhere/0': ", told[start + 1])
    assert "  exit 3 (echo | sed ; exit): b1.6" in told
    assert "      b1.6: boom" in told, "what moves the cursor is taken out"
    assert "  timeout (sleep): b1.7" in told
    assert "      b1.7: timed out after 0.5 s" in told
    assert told[-2:] == [
        "to run the failed ones again: parallel-runner retry b1",
        "only those of one class: parallel-runner retry b1 --class exit",
    ]


def test_retry_of_one_class(program: Program) -> None:
    program("run", "--timeout", "0.3", stdin=b"exit 3\nsleep 30\ntrue\n")
    done = program("retry", "b1", "--class", "timeout")
    assert done.returncode == 2, "both are failures still"
    numbers = sorted(record["attempt"] for record in program.results())
    assert numbers == ["b1.1.1", "b1.2.1", "b1.2.2", "b1.3.1"]
    assert program("retry", "b1", "--class", "nonsense").returncode == 102
