"""Words that the shells offer, from the shells themselves."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.cli.main import VERBS
from parallel_runner.cli.names import numbers_from
from tests.support.cli import Program

needs = {
    shell: pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")
    for shell in ("bash", "zsh", "fish")
}


@pytest.fixture
def env(program: Program, tmp_path: Path) -> dict[str, str]:
    """An environment in which `parallel-runner` is this one, on a home with two batches."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "parallel-runner").write_text(f'#!/bin/sh\nexec {sys.executable} -m parallel_runner "$@"\n')
    (place / "parallel-runner").chmod(0o755)
    program("run", "-q", stdin=b"true\n" * 12)
    (program.work / "b.yaml").write_text("jobs:\n  - {id: build, bash: 'true'}\n  - {id: bundle, bash: 'true'}\n")
    program("run", "-q", "-f", "b.yaml")
    (tmp_path / "userhome").mkdir()
    return program.env | {
        "PATH": f"{place}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "userhome"),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }


LINES = [
    ("hist", ["history"]),
    ("c", ["cancel", "completions", "config"]),
    ("logs b", ["b2", "b1"]),
    ("why b2.bu", ["b2.build", "b2.bundle"]),
    ("why b1.1", ["b1.1", "b1.10", "b1.11", "b1.12"]),
    ("cancel b1.12", ["b1.12"]),
    ("resume b", ["b2", "b1"]),
    ("results --job b1.12", ["b1.12"]),
    ("logs b1.1 --fo", ["--follow"]),
    ("history --state r", ["running"]),
    ("retry b1 --class time", ["timeout"]),
    ("config schema ba", ["batch"]),
    ("config schema p", ["ps", "plan"]),
    ("why b7.", []),
    ("nosuchverb b", []),
]


@needs["bash"]
@pytest.mark.parametrize(("line", "words"), LINES)
def test_bash(program: Program, env: dict[str, str], line: str, words: list[str]) -> None:
    script = (
        'eval "$(parallel-runner completions bash)"\n'
        f"COMP_WORDS=(parallel-runner {line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        "_parallel_runner_completion parallel-runner\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=env, capture_output=True, cwd=program.work, check=True
    )
    assert done.stdout.decode().split() == words
    assert done.stderr == b""


@needs["fish"]
@pytest.mark.parametrize(("line", "words"), LINES)
def test_fish(program: Program, env: dict[str, str], line: str, words: list[str]) -> None:
    script = f'parallel-runner completions fish | source; complete --do-complete "parallel-runner {line}"'
    done = subprocess.run(["fish", "-N", "-c", script], env=env, capture_output=True, cwd=program.work, check=True)
    found = [one.split("\t")[0] for one in done.stdout.decode().splitlines()]
    assert sorted(found) == sorted(words)


@contextmanager
def typing(arguments: list[str], env: dict[str, str], cwd: Path) -> Iterator[tuple[int, bytearray]]:
    """A shell on a terminal: its descriptor, and what it has shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd, start_new_session=True
    )
    os.close(theirs)
    try:
        yield ours, bytearray()
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def expect(fd: int, seen: bytearray, text: bytes) -> None:
    """Read until that is shown; what was shown before is forgotten."""
    until = time.monotonic() + 20
    while text not in seen:
        assert time.monotonic() < until, f"{text!r} not in {bytes(seen)!r}"
        if select.select([fd], [], [], 0.2)[0]:
            seen += os.read(fd, 4096)
    del seen[: seen.index(text) + len(text)]


@needs["zsh"]
def test_zsh(program: Program, env: dict[str, str]) -> None:
    with typing(["zsh", "-f", "-i"], env, program.work) as (fd, seen):
        os.write(fd, b"unsetopt zle_bracketed_paste; PS1='ready> '; autoload -Uz compinit; compinit -u -D\n")
        os.write(fd, b'eval "$(parallel-runner completions zsh)"; print set-${:-up}\n')
        expect(fd, seen, b"set-up")
        expect(fd, seen, b"ready> ")
        for line, whole in ((b"hist", b"history "), (b"why b2.bui", b"b2.build "), (b"logs b1 --fo", b"--follow ")):
            os.write(fd, b"parallel-runner " + line + b"\t")
            expect(fd, seen, whole)
            os.write(fd, b"\x15")


def test_no_home_no_words_no_noise(program: Program) -> None:
    env = program.env | {"COMP_WORDS": "parallel-runner why b", "COMP_CWORD": "2"}
    done = program(env=env | {"_PARALLEL_RUNNER_COMPLETE": "bash_complete"})
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, b"", b"")
    assert not program.home.exists(), "to complete a word makes no home"


def test_verbs_are_completed_without_loading_one(program: Program) -> None:
    code = (
        "import sys, os\nfrom parallel_runner.cli.main import call\n"
        "code = call([])\nloaded = [m for m in sys.modules if m.startswith('parallel_runner.cli.')]\n"
        "sys.stderr.write(repr(loaded)); sys.exit(code)"
    )
    env = program.env | {"COMP_WORDS": "parallel-runner ", "COMP_CWORD": "1"}
    env["_PARALLEL_RUNNER_COMPLETE"] = "bash_complete"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert done.stdout.decode().split() == [f"plain,{verb}" for verb in VERBS]
    assert done.stderr == b"['parallel_runner.cli.main']"


@given(st.integers(0, 3000), st.integers(0, 4000))
def test_numbers_by_their_beginning(beginning: int, last: int) -> None:
    found = list(numbers_from(str(beginning), last))
    expected = [one for one in range(1, last + 1) if str(one).startswith(str(beginning))]
    assert found == expected
    assert list(numbers_from("", last)) == list(range(1, last + 1))


@pytest.mark.parametrize("text", ["x", "0", "01", "-1", "²", "1x"])
def test_what_no_number_begins_with(text: str) -> None:
    assert list(numbers_from(text, 1000)) == []
