"""What a function that runs as a job says and how it ends: nothing of it is lost."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.support.cli import Program

FUNCTIONS = """
import io, os, sys

def raises():
    print("said")
    raise ValueError("on purpose")

def leaves():
    print("said")
    sys.exit(0)

def leaves_with_words():
    print("said")
    sys.exit("words of its own")

def leaves_with_a_code():
    sys.stderr.write("no newline")
    sys.exit(7)

def puts_another_stream():
    sys.stdout.write("first ")
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
    sys.stdout.write("second")
    sys.exit(0)

def closes_its_streams():
    sys.stdout.close()
    sys.stderr = None

def inherited():
    return [fd for fd in range(3, 100) if os.path.exists(f"/proc/self/fd/{fd}")]

def niceness():
    return os.nice(0)
"""


def run_job(program: Program, job: dict[str, Any]) -> tuple[int, bytes, bytes, dict[str, Any]]:
    """(exit code, stdout, stderr, the attempt) of one job."""
    (program.work / "functions.py").write_text(FUNCTIONS)
    (program.work / "batch.json").write_text(json.dumps({"jobs": [job]}))
    done = program("run", "-q", "-f", "batch.json")
    (row,) = program.results()
    return done.returncode, done.stdout, done.stderr, row


@pytest.mark.parametrize(
    ("function", "code", "out", "err"),
    [
        ("raises", 1, b"said\n", b"ValueError: on purpose"),
        ("leaves", 0, b"said\n", b""),
        ("leaves_with_words", 1, b"said\n", b"words of its own\n"),
        ("leaves_with_a_code", 7, b"", b"no newline"),
        ("puts_another_stream", 0, b"first second", b""),
        ("closes_its_streams", 0, b"", b""),
    ],
)
def test_what_it_said_is_kept_however_it_ends(
    program: Program, function: str, code: int, out: bytes, err: bytes
) -> None:
    _, stdout, stderr, row = run_job(program, {"python": f"functions:{function}"})
    assert (row["exit_code"], stdout) == (code, out)
    assert err in stderr


def test_niceness_holds_in_process_too(program: Program) -> None:
    wanted = str(min(19, os.nice(0) + 7)).encode()
    _, stdout, _, _ = run_job(program, {"python": "functions:niceness", "nice": 7})
    assert stdout == wanted + b"\n"


@pytest.mark.parametrize("limits", [{}, {"open_files": 6}])
def test_nothing_of_the_worker_is_inherited(program: Program, limits: dict[str, int]) -> None:
    _, stdout, _, _ = run_job(program, {"python": "functions:inherited", **limits})
    assert stdout == b"[]\n"
