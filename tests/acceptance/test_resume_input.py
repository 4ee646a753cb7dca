"""`run --resume`: the input given again, matched by content."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.support.cli import PROGRAM, Program
from tests.support.waiting import wait_for


def interrupted(program: Program, lines: list[str], *template: str) -> None:
    """A batch that was killed in its second job, the rest of its input unread."""
    process = subprocess.Popen(
        [*PROGRAM, "run", "-j1", *template],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=program.work,
        env=program.env,
    )
    assert process.stdin is not None
    process.stdin.write("".join(f"{line}\n" for line in lines).encode())
    process.stdin.flush()
    wait_for(lambda: (program.work / "second").exists())
    process.send_signal(signal.SIGINT)
    process.wait(20)
    process.stdin.close()
    (program.work / "second").unlink()


def appended(program: Program) -> list[str]:
    """What the jobs wrote."""
    return (program.work / "out").read_text().split()


LINES = ["echo one >> out", "touch second; test -e go && echo two >> out || sleep 8681", "echo three >> out"]


def test_only_what_has_not_ended_and_what_is_new_runs(program: Program) -> None:
    interrupted(program, LINES)
    assert appended(program) == ["one"]
    (program.work / "go").touch()
    again = "\n".join(["echo zero >> out", *LINES, "echo one >> out", "echo four >> out"])
    done = program("run", "-j1", "--resume", stdin=again.encode())
    assert done.returncode == 0, done.stderr
    assert b"b1: 3 jobs were known, 3 new" in done.stderr
    assert sorted(appended(program)) == ["four", "one", "one", "three", "two", "zero"], (
        "the second `one` is another job"
    )
    assert b'"state":"done"' in program("history", "--json").stdout
    done = program("run", "--resume", stdin=again.encode())
    assert b"b2: 6 succeeded" in done.stderr, "nothing is unfinished: it is a new batch"
    done = program("run", "--resume", "b1", stdin=again.encode())
    assert b"b1: 6 jobs were known, 0 new" in done.stderr
    assert len(appended(program)) == 12


def test_resume_without_the_input_says_what_is_missing(program: Program) -> None:
    interrupted(program, LINES[:2])
    (program.work / "go").touch()
    done = program("resume", "b1")
    assert done.returncode == 104
    assert b"give the whole input again to `run --resume b1`" in done.stderr
    assert appended(program) == ["one", "two"]
    done = program("run", "--resume", stdin="\n".join(LINES).encode())
    assert done.returncode == 0, done.stderr
    assert appended(program) == ["one", "two", "three"]


def test_templates_and_arguments(program: Program) -> None:
    interrupted(program, ["a", "b"], "touch second; test -e go || sleep 8682; echo {} {#} >> out")
    (program.work / "go").touch()
    template = "touch second; test -e go || sleep 8682; echo {} {#} >> out"
    done = program("run", "-j1", "--resume", template, ":::", "b", "a", "c")
    assert done.returncode == 0, done.stderr
    # The places are those that the jobs had.
    assert (program.work / "out").read_text().splitlines() == ["a 1", "b 2", "c 3"]


def test_what_is_not_in_the_input_any_more_is_told(program: Program) -> None:
    interrupted(program, LINES[:2])
    (program.work / "go").touch()
    done = program("run", "--resume", stdin=b"echo five >> out\n")
    assert b"1 open jobs are not in this input; they run as well" in done.stderr
    assert sorted(appended(program)) == ["five", "one", "two"]


def test_the_batch_must_be_clear(program: Program, tmp_path: Path) -> None:
    for _ in range(2):
        interrupted(program, LINES)
    done = program("run", "--resume", stdin=b"true\n")
    assert done.returncode == 102
    assert b"b2, b1" in done.stderr and b"--resume b2" in done.stderr
    done = program("run", "--resume", "b1", "echo", "{}", ":::", "x")
    assert done.returncode == 102
    assert b"another template" in done.stderr
    (tmp_path / "batch.yaml").write_text("jobs: [{bash: 'true'}]\n")
    assert program("run", "--resume", "-f", str(tmp_path / "batch.yaml")).returncode == 102
