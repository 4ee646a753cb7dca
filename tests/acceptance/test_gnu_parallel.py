"""GNU parallel is the oracle: what `run` makes of a command line is what GNU parallel makes of it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance import gnu_parallel_cases as lines
from tests.acceptance import gnu_parallel_runs as runs
from tests.acceptance.gnu_parallel_cases import Case, Different
from tests.support.cli import Program

HEADER = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
LIMIT_S = 30.0
SAME = [
    *(case for table in (lines.SOURCES, lines.SEPARATORS, lines.PLACEHOLDERS, lines.QUOTING) for case in table),
    *(case for table in (lines.GROUPS, runs.OUTPUT, runs.ENDS, runs.RESULTS) for case in table),
    *(case for table in (runs.RESUME, runs.PIPE, runs.PLACES) for case in table),
]
GNU = ["parallel", "--will-cite"]
OURS = [sys.executable, "-m", "parallel_runner", "run"]


@dataclass(frozen=True)
class Made:
    """What an invocation left behind."""

    code: int
    stdout: bytes
    stderr: bytes
    files: dict[str, object]


@dataclass(frozen=True)
class Side:
    """One of the two programs, in a directory of its own."""

    command: Sequence[str]
    work: Path
    env: dict[str, str]

    def start(self, line: str, case: Case) -> subprocess.Popen[bytes]:
        """Begin one invocation; what it prints goes to files, so that two can run at a time and none can block."""
        outside = self.work.parent / f"{self.work.name}.streams"
        outside.mkdir(exist_ok=True)
        (outside / "0").write_bytes(case.stdin)
        order = ["-k"] if case.ordered else []
        with (
            (outside / "0").open("rb") as stdin,
            (outside / "1").open("wb") as out,
            (outside / "2").open("wb") as err,
        ):
            return subprocess.Popen(
                [*self.command, *order, *map(os.fsencode, shlex.split(line))],
                cwd=self.work,
                env={**self.env, **case.env},
                stdin=stdin,
                stdout=out,
                stderr=err,
            )

    def made(self, code: int) -> Made:
        """What the last invocation left behind."""
        outside = self.work.parent / f"{self.work.name}.streams"
        files = {str(path.relative_to(self.work)): _read(path) for path in self.work.rglob("*") if path.is_file()}
        return Made(code, (outside / "1").read_bytes(), (outside / "2").read_bytes(), files)


@pytest.fixture
def sides(program: Program, tmp_path: Path) -> tuple[Side, Side]:
    """GNU parallel and ours."""
    if shutil.which("parallel") is None:
        if os.environ.get("CI"):
            pytest.fail("GNU parallel is missing")
        pytest.skip("GNU parallel is missing: install the package `parallel`")
    home = tmp_path / "gnu-home"
    home.mkdir()
    (home / "will-cite").touch()
    theirs = {name: value for name, value in program.env.items() if not name.startswith("PARALLEL")}
    theirs |= {
        "PARALLEL_HOME": str(home),
        "PARALLEL_SHELL": "/bin/bash",
        "PR_TEST_MARK": program.env["PR_TEST_MARK"],
    }
    (tmp_path / "theirs").mkdir()
    return Side(GNU, tmp_path / "theirs", theirs), Side(OURS, program.work, program.env)


def _run(sides: tuple[Side, Side], case: Case) -> tuple[Made, Made]:
    """Both, at the same time."""
    for side in sides:
        for name, content in case.files.items():
            path = side.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir()
            else:
                path.write_bytes(content)
    codes = [0, 0]
    for line in (*case.before, case.line):
        running = [side.start(line, case) for side in sides]
        try:
            codes = [process.wait(LIMIT_S) for process in running]
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                    process.wait()
    return sides[0].made(codes[0]), sides[1].made(codes[1])


def _read(path: Path) -> object:
    """A file's content, without the times in it."""
    content = path.read_bytes()
    if path.name == "jl":
        return _job_log(content)
    if path.suffix in (".csv", ".tsv"):
        text = content.decode("utf-8", "surrogateescape")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="," if path.suffix == ".csv" else "\t"))
        return [rows[0], *sorted(row[:2] + row[4:] for row in rows[1:])] if rows else rows
    if path.suffix == ".json":
        objects = [json.loads(line) for line in content.splitlines()]
        return sorted(
            ({**one, "Starttime": 0, "JobRuntime": 0} for one in objects), key=lambda one: int(one["Seq"])
        )
    return content


def _job_log(content: bytes) -> list[list[bytes]]:
    """The rows by number, without times. Everything else is as it has to be, or this fails."""
    lines = content.split(b"\n")
    assert lines.pop() == b"", "the log does not end with a newline"
    assert lines[:1] == [HEADER]
    rows = [line.split(b"\t", 8) for line in lines[1:]]
    for row in rows:
        assert re.fullmatch(rb"\d+\.\d{3}", row[2]), row
        assert re.fullmatch(rb" *\d+\.\d{3}", row[3]), row
        assert len(row[3]) >= 10, row
    return sorted((row[:2] + row[4:] for row in rows), key=lambda row: int(row[0]))


@pytest.mark.parametrize("case", SAME, ids=lambda case: case.name)
def test_the_same(sides: tuple[Side, Side], case: Case) -> None:
    theirs, ours = _run(sides, case)
    told = ours.stderr.decode(errors="replace")[-2000:]
    if case.ordered:
        assert ours.stdout == theirs.stdout, told
    else:
        assert Counter(ours.stdout.splitlines()) == Counter(theirs.stdout.splitlines()), told
    assert ours.code == theirs.code, told
    assert ours.files == theirs.files, told
    if case.stderr:
        missing = Counter(theirs.stderr.splitlines()) - Counter(ours.stderr.splitlines())
        assert theirs.stderr
        assert not missing, told


@pytest.mark.parametrize("entry", runs.DIFFERENT, ids=lambda entry: entry.case.name)
def test_different_on_purpose(sides: tuple[Side, Side], entry: Different) -> None:
    theirs, ours = _run(sides, entry.case)
    told = ours.stderr.decode(errors="replace")[-2000:]
    assert (ours.code, ours.stdout) == (entry.code, entry.stdout), told
    if entry.files is not None:
        assert ours.files == entry.files
    if entry.always:
        assert (theirs.code, theirs.stdout, theirs.files) != (ours.code, ours.stdout, ours.files), (
            "it is the same now"
        )
    assert b"Traceback" not in ours.stderr


def test_the_table_is_wide_enough() -> None:
    names = [case.name for case in SAME] + [entry.case.name for entry in runs.DIFFERENT]
    assert len(SAME) >= 160
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("value", ["..", ".", "", "../../x"])
def test_results_stay_in_their_directory(program: Program, value: str) -> None:
    done = program("run", "--results", "deep/er/r", "echo", ":::", value)
    assert done.returncode == 0, done.stderr
    made = [path.relative_to(program.work) for path in program.work.rglob("*") if path.is_file()]
    assert [path.name for path in made].count("stdout") == 1
    assert all(path.parts[:4] == ("deep", "er", "r", "1") for path in made), made
