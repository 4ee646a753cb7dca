"""kill -9 in the middle of a batch file's own business: fan-out, barriers, last jobs, locks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import Program, children
from tests.support.waiting import wait_for

FAN_OUT = """\
barrier: {{delay: 0}}
jobs:
  - {{id: find, bash: "seq {count}; {wait}echo find >> log"}}
  - {{id: each, foreach: {{from: find.lines}}, bash: "echo {{item}} >> log; sync -d log"}}
  - {{id: after, bash: echo after >> log, needs: [each]}}
  - {{id: last, bash: echo last >> log}}
phases: [[find], [each, after], [last]]
"""


def log(program: Program) -> list[str]:
    path = program.work / "log"
    return path.read_text().split() if path.exists() else []


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_random_a_fan_out_is_neither_lost_nor_doubled(program: Program, seed: int) -> None:
    (program.work / "b.yaml").write_text(FAN_OUT.format(count=60, wait=""))
    threshold = random.Random(seed).randrange(0, 62) if seed > 2 else 1
    process = program.start("run", "-j2", "-f", "b.yaml")
    wait_for(lambda: len(log(program)) >= threshold and (program.home / "state" / "journal.db").exists())
    wait_for(lambda: program("history").returncode == 0 and b"b1" in program("history").stdout)
    kill(process)

    done = program("resume", "b1")

    assert done.returncode == 0, done.stderr
    lines = log(program)
    assert lines[0] == "find"
    assert lines[-2:] == ["after", "last"]
    assert sorted(lines[1:-2], key=int) == [str(n) for n in range(1, 61)]
    assert len(program.results()) == 64


def test_killed_between_the_end_of_the_source_and_its_expansion(program: Program) -> None:
    (program.work / "b.yaml").write_text(
        FAN_OUT.format(count=5, wait="touch up; while test ! -e go; do sleep 0.02; done; ")
    )
    process = program.start("run", "-j2", "-f", "b.yaml")
    wait_for(lambda: (program.work / "up").exists())
    # A runner that is stopped does not see its job end.
    process.send_signal(signal.SIGSTOP)
    (program.work / "go").touch()
    wait_for(lambda: log(program) == ["find"])
    kill(process)

    done = program("resume", "b1")

    assert done.returncode == 0, done.stderr
    lines = log(program)
    assert lines[0] == "find"
    assert sorted(lines[1:6]) == ["1", "2", "3", "4", "5"]
    assert lines[6:] == ["after", "last"]


LAST = """\
jobs:
  - {id: main, bash: "echo main >> log"}
finally:
  - {id: one, bash: "touch up; while test ! -e go; do sleep 0.02; done; echo one >> log"}
  - {id: two, bash: "echo two >> log", needs: [one]}
"""


def test_killed_during_the_last_jobs(program: Program) -> None:
    (program.work / "b.yaml").write_text(LAST)
    process = program.start("run", "-f", "b.yaml")
    wait_for(lambda: (program.work / "up").exists())
    kill(process)
    (program.work / "go").touch()

    done = program("resume", "b1")

    assert done.returncode == 0, done.stderr
    assert log(program) == ["main", "one", "two"]


def test_runner_and_worker_killed_during_the_last_jobs(program: Program) -> None:
    (program.work / "b.yaml").write_text(LAST)
    process = program.start("run", "-f", "b.yaml")
    wait_for(lambda: (program.work / "up").exists())
    workers = children(process.pid)
    process.kill()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    process.communicate()

    done = program("resume", "b1")

    assert b"nobody knows the end of b1.2.1" in done.stderr
    assert log(program) == ["main"]
    (program.work / "go").touch()
    assert program("retry", "--unknown", "b1").returncode == 0
    assert log(program) == ["main", "one", "two"]


def test_what_waits_for_a_job_that_outlived_its_runner_goes_on(program: Program) -> None:
    (program.work / "b.yaml").write_text(
        """\
barrier: {delay: 0}
jobs:
  - {id: one, bash: "touch up; while test ! -e go; do sleep 0.02; done; echo one; seq 2"}
  - {id: two, bash: "echo two >> log", needs: [one]}
  - {id: each, foreach: {from: one.lines}, bash: "echo {item} >> log"}
  - {id: last, bash: "echo last >> log"}
phases: [[one, two, each], [last]]
"""
    )
    process = program.start("run", "-f", "b.yaml")
    wait_for(lambda: (program.work / "up").exists())
    kill(process)
    resumed = program.start("resume", "b1")
    # It has begun: it has become the batch's owner, and waits.
    wait_for(lambda: b" run " in program("ps").stdout or b"open" in program("history").stdout)
    (program.work / "go").touch()
    _, stderr = resumed.communicate(timeout=20)
    assert resumed.returncode == 0, stderr
    assert sorted(log(program)[:-1]) == ["1", "2", "one", "two"]
    assert log(program)[-1] == "last"


LOCKED = """\
jobs:
  - bash: "echo begin-{name} >> log; touch up; while test ! -e go; do sleep 0.02; done; echo end-{name} >> log"
    locks: [db]
"""


def write_locked(program: Program, name: str) -> Path:
    path = program.work / f"{name}.yaml"
    path.write_text(LOCKED.replace("{name}", name))
    return path


def test_a_job_that_outlives_its_runner_keeps_its_lock(program: Program) -> None:
    write_locked(program, "one")
    write_locked(program, "two")
    first = program.start("run", "-f", "one.yaml")
    wait_for(lambda: log(program) == ["begin-one"])
    kill(first)
    second = program.start("run", "-f", "two.yaml")
    wait_for(lambda: b"b2" in program("history").stdout)
    # It has had time to take the lock, had it been free: a job without one is through.
    (program.work / "free.yaml").write_text("jobs: [{bash: echo free}]\n")
    assert program("run", "-f", "free.yaml").returncode == 0
    assert log(program) == ["begin-one"]
    (program.work / "go").touch()
    _, stderr = second.communicate(timeout=20)
    assert second.returncode == 0, stderr
    assert log(program) == ["begin-one", "end-one", "begin-two", "end-two"]
    assert program("resume", "b1").returncode == 0


def test_locks_of_the_dead_are_free(program: Program) -> None:
    write_locked(program, "one")
    write_locked(program, "two")
    process = program.start("run", "-f", "one.yaml")
    wait_for(lambda: log(program) == ["begin-one"])
    workers = children(process.pid)
    process.kill()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    process.communicate()
    (program.work / "go").touch()
    done = program("run", "-f", "two.yaml")
    assert done.returncode == 0, done.stderr
    assert log(program)[-2:] == ["begin-two", "end-two"]


def test_a_worker_that_dies_gives_its_lock_back(program: Program) -> None:
    write_locked(program, "one")
    process = program.start("run", "-f", "one.yaml")
    wait_for(lambda: log(program) == ["begin-one"])
    os.kill(children(process.pid)[0], signal.SIGKILL)
    wait_for(lambda: log(program) == ["begin-one", "begin-one"])
    (program.work / "go").touch()
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr
