"""What can be seen and done while a batch runs."""

from __future__ import annotations

import os
import pty
import signal
import subprocess

from tests.support.cli import PROGRAM, Program
from tests.support.terminals import read_to_the_end
from tests.support.waiting import wait_for


def test_one_job_is_cancelled_wherever_it_is(program: Program) -> None:
    lines = b"sleep 8651\nsleep 8652\nsleep 8653\necho four\n"
    running = program.start("run", "-j2", "--retries", "3", stdin=lines, stdout=subprocess.PIPE)
    wait_for(lambda: program("ps").stdout.count(b"b1.") == 2)
    assert program("cancel", "b1.3").returncode == 0, "not started yet"
    assert program("cancel", "b1.1").returncode == 0
    assert program("cancel", "b1.2").returncode == 0
    out, err = running.communicate(timeout=20)
    assert out == b"four\n"
    assert running.returncode == 3, err
    states = {record["job"]: record["state"] for record in program.results()}
    assert states == {"b1.1": "cancelled", "b1.2": "cancelled", "b1.3": "cancelled", "b1.4": "succeeded"}
    done = program("cancel", "b1.1")
    assert done.returncode == 102
    assert b"has ended: cancelled" in done.stderr


def test_jobs_get_signals_as_a_shell_gives_them(program: Program) -> None:
    text = b"".join(b"trap 'echo %s' %s; kill -%s $$\n" % (name, name, name) for name in (b"INT", b"HUP", b"USR1"))
    done = program("run", "-k", stdin=text + b"trap 'echo USR2' USR2; kill -USR2 $$\n")
    assert done.stdout == b"INT\nHUP\nUSR1\nUSR2\n"


def test_a_terminal_gets_a_bar_that_never_mixes_with_output(program: Program) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "run", "-j1", "sleep 0.3; echo out{}", ":::", "1", "2", "3", "4"],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=program.work,
        env=program.env | {"TERM": "xterm"},
    )
    os.close(theirs)
    seen = read_to_the_end(ours)
    assert process.wait(10) == 0
    assert b"2/4" in seen or b"3/4" in seen
    for number in range(1, 5):
        before = seen[: seen.index(b"out%d" % number)]
        assert before.endswith((b"\x1b[2K", b"\n")) or not before, before[-40:]
    assert seen.splitlines()[-1].startswith((b"parallel-runner: b1: 4 succeeded", b"\r\x1b[2Kparallel-runner: b1"))


def test_no_bar_where_nobody_could_see_it(program: Program) -> None:
    done = program("run", "sleep 0.7; echo {}", ":::", "1")
    assert b"\x1b" not in done.stderr
    quiet = program.start("run", "-q", stdin=b"sleep 0.7\n")
    _, err = quiet.communicate(timeout=20)
    assert err == b""


def test_a_request_that_comes_early_ends_nothing_else(program: Program) -> None:
    running = program.start("run", stdin=b"sleep 8661\n")
    owners = program.home / "state" / "owners"
    # From the moment it can be found, the signal must be safe, though its loop does not listen yet.
    wait_for(lambda: owners.exists() and any(owners.iterdir()))

    def begun() -> bool:
        running.send_signal(signal.SIGUSR2)
        return b"b1.1" in program("ps").stdout

    wait_for(begun)
    assert program("cancel", "b1.1").returncode == 0
    _, err = running.communicate(timeout=20)
    assert running.returncode == 1, err
