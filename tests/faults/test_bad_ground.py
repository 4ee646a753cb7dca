"""Full disks, locked and damaged journals, places that cannot be read: a clear message and its exit code."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import disks
from tests.support.cli import CHECKOUT, PROGRAM, Program


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KiB."""
    with disks.small_disk(tmp_path / "small", "600k") as place:
        yield place


@pytest.mark.root
def test_full_disk_ends_clearly_and_loses_nothing(program: Program, small_disk: Path) -> None:
    lines = b"".join(b"echo %d %s\n" % (i, b"a" * 40) for i in range(20_000))
    done = program("run", "--home", str(small_disk), stdin=lines)
    assert done.returncode == 107, done.stderr
    assert b"no space left" in done.stderr
    assert b"Traceback" not in done.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    resumed = program("resume", "--home", str(small_disk), "b1")
    assert resumed.returncode in (0, 104), resumed.stderr
    again = program("run", "-q", "--resume", "b1", "--home", str(small_disk), stdin=lines)
    assert again.returncode == 0, again.stderr
    rows = program("results", "--home", str(small_disk), "b1").stdout.splitlines()
    jobs = [row.split(b'"seq":')[1].split(b",")[0] for row in rows]
    assert len(jobs) == len(set(jobs)) == 20_000


@pytest.mark.root
def test_history_can_be_removed_from_a_full_disk(program: Program, small_disk: Path) -> None:
    for _ in range(2):
        done = program("run", "--home", str(small_disk), "head -c 3000 /dev/zero # {}", ":::", *map(str, range(12)))
        assert done.returncode == 0, done.stderr
    with (small_disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free)
    assert program("run", "--home", str(small_disk), "true", ":::", "1").returncode == 107
    done = program("prune", "--days", "0", "--home", str(small_disk))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"removed 2 batches")
    assert program("run", "--home", str(small_disk), "true", ":::", "1").returncode == 0


def test_damaged_journal(program: Program) -> None:
    (program.home / "state").mkdir(parents=True)
    (program.home / "state" / "journal.db").write_bytes(b"this is no database, whatever its name says" * 100)
    done = program("run", "true", ":::", "1")
    assert done.returncode == 107
    assert b"is damaged or no journal" in done.stderr
    assert b"integrity_check" in done.stderr


def test_locked_journal(program: Program) -> None:
    assert program("run", "true", ":::", "1").returncode == 0
    connection = sqlite3.connect(program.home / "state" / "journal.db", isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        done = program("run", "true", ":::", "1")
    finally:
        connection.close()
    assert done.returncode == 107
    assert b"locked by another process" in done.stderr


def test_home_that_cannot_be_made(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = program("run", "--home", str(tmp_path / "file" / "home"), "true", ":::", "1")
    assert done.returncode == 107
    assert b"choose another with --home" in done.stderr


def test_directory_that_is_gone(program: Program, tmp_path: Path) -> None:
    run = f"{sys.executable} -m parallel_runner run true ::: 1"
    script = f"cd {tmp_path} && mkdir gone && cd gone && rmdir ../gone && {run}"
    done = subprocess.run(["sh", "-c", script], env=program.env, capture_output=True, check=False)
    assert done.returncode == 102
    assert b"the current directory cannot be used" in done.stderr


def test_bare_environment_of_cron(program: Program, tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"}
    done = program("run", "--home", str(tmp_path / "h"), stdin=b"echo ran in $PATH", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"ran in /usr/bin:/bin\n"


def test_reader_that_leaves(program: Program) -> None:
    lines = b"".join(b"echo %d\n" % i for i in range(3000))
    process = program.start("run", "-k", stdin=lines, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"0\n"
    process.stdout.close()
    process.stdout = None
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 141
    assert b"Traceback" not in stderr


def test_reader_that_stands_still_stops_nobody(program: Program) -> None:
    lines = b"".join(b"head -c 300000 /dev/zero | tr '\\0' %d; echo\n" % (i % 10) for i in range(60))
    process = program.start("run", "-j2", stdin=lines, stdout=subprocess.PIPE)
    assert process.stdout is not None
    first = process.stdout.read(1)
    assert program("history").returncode == 0  # The journal is not held while nobody reads.
    rest = process.stdout.read()
    process.stdout.close()
    process.stdout = None
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert sorted({len(line) for line in (first + rest).splitlines()}) == [300000]


@pytest.mark.root
def test_state_that_is_read_only(program: Program) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    assert program("run", "true", ":::", "1").returncode == 0
    state = program.home / "state"
    if subprocess.run(["mount", "--bind", "-o", "ro", state, state], check=False).returncode:
        pytest.skip("mount is not allowed here")
    try:
        done = program("run", "touch {}", ":::", "started")
        told = program("results", "b1")
    finally:
        subprocess.run(["umount", "-l", state], check=True)
    assert done.returncode == 107, done.stderr
    assert b"Traceback" not in done.stderr
    assert os.fsencode(state) in done.stderr
    assert not (program.work / "started").exists()
    assert told.returncode in (0, 107)
    assert program("run", "true", ":::", "1").returncode == 0


def test_durability_is_what_the_setting_says(program: Program) -> None:
    program.env["PARALLEL_RUNNER__RESOURCE_LIMITS__JOURNAL__DURABILITY"] = "power"
    done = program("run", "echo {}", ":::", "1", "2")
    assert done.returncode == 0, done.stderr
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace to see what is forced to the disk")
    counts = {}
    for word in ("power", "process"):
        program.env["PARALLEL_RUNNER__RESOURCE_LIMITS__JOURNAL__DURABILITY"] = word
        trace = program.work / word
        subprocess.run(
            [strace, "-o", trace, "-e", "trace=fdatasync,fsync", *PROGRAM, "run", "true", ":::", "1", "2"],
            env=program.env,
            cwd=program.work,
            check=True,
            capture_output=True,
        )
        counts[word] = trace.read_text().count("sync(")
    assert counts["power"] > counts["process"]
