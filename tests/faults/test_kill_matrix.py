"""kill -9 anywhere: nothing is lost, nothing runs twice unnoticed, nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from tests.support.cli import Program, children
from tests.support.waiting import wait_for

JOBS = 200
POINTS = int(os.environ.get("KILL_POINTS", "12"))
"""Moments at which the runner is killed."""


def id_jobs(out: Path, count: int = JOBS, extra: str = "") -> bytes:
    """Each job appends its id and forces it to the disk."""
    return "".join(f"echo {i} >> {out}; sync -d {out}{extra}\n" for i in range(count)).encode()


def ids(out: Path) -> list[int]:
    """What was appended."""
    return sorted(int(line) for line in out.read_text().split())


def read_whole(program: Program) -> bool:
    """Whether the whole input is in the journal: from then on a kill can lose none of it."""
    done = program("history", "--json")
    return done.returncode == 0 and f'"jobs":{JOBS}'.encode() in done.stdout


@pytest.mark.parametrize("seed", range(POINTS))
def test_runner_killed_at_random_then_resumed(program: Program, tmp_path: Path, seed: int) -> None:
    out = tmp_path / "ids"
    out.touch()
    threshold = random.Random(seed).randrange(1, JOBS - 10)
    process = program.start("run", "-j4", stdin=id_jobs(out))
    wait_for(lambda: len(out.read_text().split()) >= threshold or process.poll() is not None)
    process.kill()
    process.communicate()

    done = program("resume", "b1", "-j4")

    assert done.returncode == 0, done.stderr
    assert ids(out) == list(range(JOBS))


@pytest.mark.parametrize("place", ["owners", "journal.db", "environments", "workers", "spool"])
def test_runner_killed_before_its_input_is_safe(program: Program, tmp_path: Path, place: str) -> None:
    out = tmp_path / "ids"
    out.touch()
    process = program.start("run", "-j4", stdin=id_jobs(out))
    seen = program.home / "state" / place
    wait_for(lambda: seen.is_file() or (seen.is_dir() and any(seen.iterdir())))
    process.kill()
    process.communicate()

    done = program("run", "--resume", "-j4", stdin=id_jobs(out))

    assert done.returncode == 0, done.stderr
    assert ids(out) == list(range(JOBS))


@pytest.mark.parametrize("seed", range(3))
def test_workers_killed_lose_only_what_they_had_in_hand(program: Program, tmp_path: Path, seed: int) -> None:
    out = tmp_path / "ids"
    out.touch()
    chance = random.Random(seed)
    process = program.start("run", "-j4", stdin=id_jobs(out, extra="; sleep 0.01"))
    killed = 0
    for threshold in (20, 60, 120):
        wait_for(lambda least=threshold: len(out.read_text().split()) >= least)  # type: ignore[misc]
        workers = children(process.pid)
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 0, stderr
    assert sorted(set(ids(out))) == list(range(JOBS))
    assert len(ids(out)) <= JOBS + killed
    assert stderr.count(b"was lost (killed by signal 9)") == killed


@pytest.mark.parametrize("seed", range(3))
def test_both_killed_leaves_doubt_and_says_so(program: Program, tmp_path: Path, seed: int) -> None:
    out = tmp_path / "ids"
    out.touch()
    process = program.start("run", "-j4", stdin=id_jobs(out, extra="; sleep 0.05"))
    wait_for(lambda: len(out.read_text().split()) >= 20 + 10 * seed)
    workers = children(process.pid)
    process.kill()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    process.communicate()

    resumed = program("resume", "b1", "-j4")
    unknown = [row for row in program.results() if row["state"] == "unknown"]

    assert 1 <= len(unknown) <= 4
    assert resumed.returncode == len(unknown)
    assert b"nobody knows the end of" in resumed.stderr
    assert b"retry --unknown b1" in resumed.stderr
    assert program("retry", "--unknown", "b1").returncode == 0
    assert sorted(set(ids(out))) == list(range(JOBS))
    assert len(ids(out)) <= JOBS + len(unknown)


def test_long_jobs_in_flight_are_finished_by_orphans_and_not_run_again(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "ids"
    out.touch()
    lines = "".join(f"echo started >> {out}.s; sleep 3; echo {i} >> {out}\n" for i in range(6)).encode()
    process = program.start("run", "-j3", stdin=lines)
    started = Path(f"{out}.s")
    wait_for(lambda: started.exists() and len(started.read_text().split()) == 3)
    process.kill()
    process.communicate()

    assert program("ps").stdout.count(b"orphan") == 3
    done = program("resume", "b1", "-j3")

    assert done.returncode == 0, done.stderr
    assert ids(out) == list(range(6))


def test_stopped_runner_and_stopped_worker_kill_nobody(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "ids"
    out.touch()
    process = program.start("run", "-j2", stdin=id_jobs(out, 60, "; sleep 0.02"))
    wait_for(lambda: len(out.read_text().split()) >= 5)
    worker = children(process.pid)[0]
    for pid in (worker, process.pid):
        os.kill(pid, signal.SIGSTOP)
    seen = len(out.read_text().split())
    wait_for(lambda: len(out.read_text().split()) > seen, message="the other worker goes on with what it has")
    for pid in (worker, process.pid):
        os.kill(pid, signal.SIGCONT)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 0, stderr
    assert ids(out) == list(range(60))
    assert b"lost" not in stderr


def test_interrupt_ends_jobs_and_resume_goes_on(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "ids"
    out.touch()
    process = program.start("run", "-j4", stdin=id_jobs(out, extra="; sleep 0.02"))
    wait_for(lambda: len(out.read_text().split()) >= 20)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)

    assert process.returncode == 128 + signal.SIGINT
    assert b"to go on: parallel-runner resume b1" in stderr
    assert program("resume", "b1").returncode == 0
    assert sorted(set(ids(out))) == list(range(JOBS))


def test_second_interrupt_ends_a_job_that_ignores_the_first(program: Program) -> None:
    process = program.start("run", stdin=b"trap '' TERM; touch up; while :; do sleep 1; done\n")
    wait_for(lambda: (program.work / "up").exists())
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == 130
