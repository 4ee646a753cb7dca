"""`history` and `why` as a user meets them."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import PROGRAM, Program
from tests.support.terminals import read_to_the_end
from tests.support.waiting import wait_for

FILE = "name: nightly [x]\njobs:\n  - {id: a, bash: 'true'}\n"


@pytest.fixture
def three(program: Program) -> Program:
    """b1 failed, b2 has a name, b3 was started elsewhere."""
    program("run", "-q", "cat {}", ":::", "/nowhere")
    (program.work / "b.yaml").write_text(FILE)
    program("run", "-q", "-f", "b.yaml")
    other = program.work / "other"
    other.mkdir()
    program("run", "-q", "echo {}", ":::", "1", cwd=other)
    return program


def listed(program: Program, *options: str, cwd: Path | None = None) -> list[str]:
    done = program("history", *options, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.decode().splitlines()]


def test_filters(three: Program) -> None:
    assert listed(three) == ["b3", "b2", "b1"]
    assert listed(three, "--failed") == listed(three, "--state", "failed") == ["b1"]
    assert listed(three, "--name", "night*") == ["b2"]
    assert listed(three, "--name", "NIGHT*") == []
    assert listed(three, "--command", "ECHO {}") == ["b3"]
    assert listed(three, "--cwd", ".") == ["b2", "b1"]
    assert listed(three, "--cwd", "../work/other") == ["b3"]
    assert listed(three, "--cwd", ".", cwd=three.work / "other") == ["b3"]
    assert listed(three, "--since", "1h") == ["b3", "b2", "b1"]
    assert listed(three, "--until", "1h") == []
    assert listed(three, "--since", "today", "--until", "2099-01-01", "-n1") == ["b3"]
    assert listed(three, "--state", "running") == []
    assert listed(three, "--state", "done", "--cwd", ".") == ["b2", "b1"]


def test_a_failure_that_was_made_good_is_none(three: Program) -> None:
    three("run", "-q", stdin=b"test -e there\n")
    assert listed(three, "--failed") == ["b4", "b1"]
    (three.work / "there").touch()
    three("retry", "b4")
    assert listed(three, "--failed") == ["b1"]


def test_a_table_only_on_a_terminal(three: Program) -> None:
    plain = three("history").stdout
    assert b"\x1b" not in plain
    assert b"nightly [x]: run -f b.yaml" in plain
    ours, theirs = pty.openpty()
    env = three.env | {"TERM": "xterm", "COLUMNS": "140"}
    process = subprocess.Popen([*PROGRAM, "history"], stdout=theirs, cwd=three.work, env=env)
    os.close(theirs)
    seen = read_to_the_end(ours)
    assert process.wait(10) == 0
    assert b"command" in seen
    assert b"nightly [x]: run -f b.yaml" in seen
    assert b"\x1b[32mdone" in seen


def test_why_of_all_that_can_be(program: Program) -> None:
    (program.work / "b.yaml").write_text(
        "jobs:\n"
        "  - {id: slow, bash: sleep 8681, timeout: 90}\n"
        "  - {id: after, bash: 'true', needs: [slow]}\n"
        "  - {id: again, bash: exit 7, retries: {max: 2, backoff: 100s}}\n"
        "  - {id: gone, bash: nosuchprogram}\n"
        "  - {id: doomed, bash: 'true', needs: [gone]}\n"
    )
    running = program.start("run", "-j2", "-f", "b.yaml")

    def why(job: str) -> str:
        return program("why", job).stdout.decode()

    wait_for(
        lambda: "skipped" in why("b1.doomed") and "running as" in why("b1.slow") and "is due in" in why("b1.again")
    )
    slow = why("b1.slow")
    assert "of at most 90 s" in slow
    assert "next: parallel-runner cancel b1.1" in slow
    assert "waits until b1.1 (slow) succeeded" in why("b1.after")
    assert "needs b1.1 (slow) succeeded: it has not ended" in why("b1.after")
    assert "another attempt follows" in why("b1.again")
    assert "retries: 2" in why("b1.again")
    assert "exit 127 (not found)" in why("b1.gone")
    assert "needs b1.4 (gone) succeeded: it is failed" in why("b1.doomed")
    running.terminate()
    running.communicate(timeout=20)
    stopped = why("b1.after")
    assert "nobody runs its batch now: it is interrupted" in stopped
    assert "next: parallel-runner resume b1" in stopped


def test_why_of_groups_locks_and_last_jobs(program: Program) -> None:
    (program.work / "b.yaml").write_text(
        "jobs:\n"
        "  - {id: each, foreach: [8691, 8692], bash: 'sleep {item}', locks: [db]}\n"
        "  - {id: after, bash: 'true', needs: [each]}\n"
        "finally:\n"
        "  - {id: clean, bash: 'true'}\n"
    )
    running = program.start("run", "-j2", "-f", "b.yaml")

    def why(job: str) -> str:
        return program("why", job).stdout.decode()

    wait_for(lambda: "waits for lock db, which b1.1 has" in why("b1.each.2"))
    assert "next: parallel-runner why b1.1" in why("b1.each.2")
    assert "waits until all jobs of each have succeeded (2 not ended)" in why("b1.after")
    assert "next: parallel-runner why b1.2" in why("b1.after")
    assert "waits until every other job has ended (3 not ended)" in why("b1.clean")
    program("cancel", "b1.1")
    program("cancel", "b1.2")
    running.communicate(timeout=20)
    assert "needs each succeeded: it is failed" in why("b1.after")
    assert "next: parallel-runner why b1.1" in why("b1.after")


def test_nothing_that_is_shown_moves_the_cursor(program: Program) -> None:
    program("run", "-q", stdin=b"echo \x1b[2J\x1b]0;x\x07 \xc2\x9b >&2; exit 1\n")
    program("run", "-q", "echo {}", ":::", "\x1b[31mred")
    for verb in (["history"], ["why", "b1.1"], ["why", "b2.1"]):
        done = program(*verb)
        assert done.returncode == 0
        assert b"\x1b" not in done.stdout
        assert b"\xc2\x9b" not in done.stdout
