"""The stress tests that GNU parallel's authors give for such tools (parallel_alternatives(7)), made small."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import disks
from tests.support.cli import PROGRAM, Program
from tests.support.waiting import wait_for

MB = 1_000_000
MIX = """#!/bin/bash
put() { head -c 300000 /dev/zero | tr '\\0' "$1"; printf ' '; }
put a; put b >&2; put c; put d >&2; put e; put f >&2
echo; echo >&2
"""
RECORD = "My brother's 12\" *** record  (costs $$$).jpg"
MEASURE = """
import os, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, check=False)
import resource
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
raise SystemExit(done.returncode)
"""


def _script(program: Program, text: str) -> None:
    path = program.work / "mycommand"
    path.write_text(text)
    path.chmod(0o755)


def _of_jobs(stderr: bytes) -> bytes:
    """Standard error without our own lines."""
    return b"".join(line for line in stderr.splitlines(keepends=True) if not line.startswith(b"parallel-runner: "))


@pytest.mark.parametrize("options", [(), ("-k",), ("--line-buffer",)], ids=["", "-k", "--line-buffer"])
def test_outputs_do_not_mix(program: Program, options: tuple[str, ...]) -> None:
    _script(program, MIX)
    done = program("run", "-j10", *options, "./mycommand", ":::", *map(str, range(10)))
    assert done.returncode == 0
    for stream, letters in ((done.stdout, b"ace"), (_of_jobs(done.stderr), b"bdf")):
        whole = b"".join(bytes([letter]) * 300_000 + b" " for letter in letters)
        assert stream.splitlines() == [whole] * 10


def test_the_two_streams_are_not_merged(program: Program) -> None:
    _script(program, "#!/bin/bash\nfor i in 1 2; do echo stdout; echo stderr >&2; done\n")
    done = program("run", "./mycommand", stdin=b"\n")
    assert done.stdout == b"stdout\n" * 2
    assert _of_jobs(done.stderr) == b"stderr\n" * 2


def test_output_is_not_held_in_memory(program: Program) -> None:
    peaks = []
    for jobs, size in ((2, MB), (8, 6 * MB)):
        template = f"yes ccccccccccccccccccccccccccccccc | head -c {size}; true"
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *PROGRAM, "run", "-j4", "-k", template, ":::", *map(str, range(jobs))],
            capture_output=True,
            env=program.env,
            cwd=program.work,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout) == jobs * size
        peaks.append(int(done.stderr.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 24 * MB, peaks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    with disks.small_disk(tmp_path / "small", "8m") as place:
        yield place


@pytest.mark.root
def test_full_disk_is_never_success_with_less_output(program: Program, small_disk: Path) -> None:
    line = b"yes XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX | head -c 3000000; echo Final output"
    done = program("run", "-j2", "-k", "--home", str(small_disk), stdin=(line + b"\n") * 10)
    if done.returncode == 0:
        assert len(done.stdout) == 10 * (3 * MB + 13)
        assert done.stdout.count(b"Final output\n") == 10
    else:
        assert done.returncode == 107, done.stderr
        assert b"no space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_nothing_is_left_behind_after_a_kill(program: Program, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    program.env["TMPDIR"] = str(temporary)
    jobs = b"".join(b"touch began%d; until [ -e go ]; do sleep 0.05; done; echo %d\n" % (i, i) for i in range(10))
    process = program.start("run", "-j3", stdin=jobs)
    wait_for(lambda: len(list(program.work.glob("began*"))) == 3)
    process.kill()
    process.wait(10)
    assert process.stderr is not None
    process.stderr.close()
    (program.work / "go").touch()
    wait_for(lambda: not program.processes())
    done = program("run", "-k", "--resume", "b1", stdin=jobs)
    assert done.returncode == 0, done.stderr
    assert sorted(row["stdout"] for row in program.results()) == [f"{i}\n" for i in range(10)]
    assert list(temporary.iterdir()) == []
    assert list((program.home / "state" / "spool").iterdir()) == []


def test_special_file_names(program: Program) -> None:
    (program.work / RECORD).write_text("")
    done = program("run", "ls", "-1", stdin=RECORD.encode() + b"\n")
    assert done.stdout == RECORD.encode() + b"\n", done.stderr
    done = program("run", "-k", "ls -1 {} | cat; test -e {} && wc -c < {}", ":::", RECORD)
    assert done.stdout == RECORD.encode() + b"\n0\n", done.stderr


def test_composed_commands(program: Program) -> None:
    assert program("run", "echo", "foo;", "echo", "{}", stdin=b"bar\n").stdout == b"foo\nbar\n"


def test_one_argument_in_several_places(program: Program) -> None:
    assert program("run", "echo", "{}", "foo", "{}", stdin=b"bar\n").stdout == b"bar foo bar\n"


def test_long_arguments(program: Program) -> None:
    """What the kernel takes as one argument passes, and what is longer fails by itself, clearly."""
    done = program("run", "-k", "echo {} | wc -c", stdin=b"x" * 130_000 + b"\nshort\n")
    assert (done.returncode, done.stdout.split()) == (0, [b"130001", b"6"])
    done = program("run", "-k", "echo {} | wc -c", stdin=b"x" * 10 * MB + b"\nshort\n")
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr
    assert b"too long" in done.stderr.lower()


def test_long_arguments_of_which_little_is_used(program: Program) -> None:
    done = program("run", "echo {.}", stdin=b"foo." + b"x" * 10 * MB)
    assert (done.returncode, done.stdout) == (0, b"foo\n"), done.stderr[:500]


def test_many_words_are_no_slower_than_few(program: Program) -> None:
    spans = []
    for text in ("$(seq 1000)", "$(seq 1000 | tr '\\n' x)"):
        _script(program, f'#!/bin/bash\nyes "{text}" | head -c 4000000\n')
        begin = time.monotonic()
        done = program("run", "-j4", "./mycommand", ":::", *map(str, range(10)))
        spans.append(time.monotonic() - begin)
        assert (done.returncode, len(done.stdout)) == (0, 40 * MB)
    assert spans[0] < 3 * spans[1] + 1, spans


def test_many_arguments(program: Program) -> None:
    values = [str(value) for value in range(5000)]
    done = program("run", "-k", "-j4", "echo", ":::", *values)
    assert (done.returncode, done.stdout.decode().split("\n")) == (0, [*values, ""])


def test_a_line_of_twenty_megabytes(program: Program) -> None:
    command = b"head -c 20000000 /dev/zero | tr '\\0' a; echo; true"
    done = program("run", "--max-output", "30M", stdin=command)
    assert (done.returncode, len(done.stdout)) == (0, 20 * MB + 1)
    assert done.stdout.strip(b"a") == b"\n"
    assert "stdout_truncated" not in program.results()[0]
    done = program("run", stdin=command)
    assert done.returncode == 0
    assert len(done.stdout) < 11 * MB
    row = program.results("b2")[0]
    assert (row["stdout_bytes"], row["stdout_truncated"]) == (20 * MB + 1, True)
