"""What ripgrep complains of is told, and never taken for an answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parallel_runner.tools import grep_text
from parallel_runner.tools.grep_text import GrepPayload, GrepTool, Hit, run_grep, search
from tests.support.cli import CHECKOUT

POWERLESS = """
import sys
from parallel_runner.tools.grep_text import GrepPayload, run_grep
sys.exit(run_grep(GrepPayload(b"x", sys.argv[1].encode())))
"""


def found(**payload: Any) -> tuple[grep_text.Found, list[Hit]]:
    report, hits = search(GrepPayload(**payload))
    return report, list(hits)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "one.py").write_text("needle\nother\n")
    (tmp_path / "a:b").write_text("needle\n")
    return tmp_path


@pytest.mark.parametrize("pattern", [rb"\n", rb"\w{1000}{100}", b"(", b"*"])
def test_a_pattern_that_is_none_is_no_answer(tree: Path, pattern: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    report, hits = found(pattern=pattern, path=bytes(tree))
    assert not hits
    assert report.fatal
    assert run_grep(GrepPayload(pattern=pattern, path=bytes(tree))) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "rg: " in err


@pytest.mark.parametrize(("glob", "names"), [(b"a:b", {b"a:b"}), (b"*:*", {b"a:b"}), (b"include:py", set())])
def test_a_colon_in_a_glob_is_a_colon(tree: Path, glob: bytes, names: set[bytes]) -> None:
    report, hits = found(pattern=b"needle", path=bytes(tree), glob=glob)
    assert {hit.path for hit in hits} == names
    assert not report.errors


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        ({"pattern": b"a\nb"}, "pattern"),
        ({"pattern": b"a\0b"}, "pattern"),
        ({"pattern": b"a", "path": b"a\0b"}, "path"),
        ({"pattern": b"a", "glob": b"a\0b"}, "glob"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_starts(payload: dict[str, bytes], key: str) -> None:
    (complaint,) = GrepTool().check(GrepPayload(**payload))  # type: ignore[arg-type]
    assert complaint.startswith(f"{key}: ")


def test_a_line_that_is_too_long_makes_the_answer_partial(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grep_text, "_MAX_EVENT", 4096)
    (tree / "huge.txt").write_text("needle\n" + "needle" + "x" * 20_000 + "\nneedle again\n")
    report, hits = found(pattern=b"needle", path=bytes(tree))
    assert sorted((hit.path, hit.line) for hit in hits) == [
        (b"a:b", 1),
        (b"huge.txt", 1),
        (b"huge.txt", 3),
        (b"one.py", 1),
    ]
    assert report.errors == ["huge.txt: a matching line is too long to be read, and is not counted"]
    report, _ = found(pattern=b"needle", path=bytes(tree), glob=b"*.py")
    assert not report.errors, "nobody asked for the file with the long line"


def test_an_engine_that_is_killed_has_not_answered(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = tree / "rg"
    dying.write_text("#!/bin/sh\n[ $1 = --version ] && echo ripgrep 15.0.0 && exit\nkill -9 $$\n")
    dying.chmod(0o755)
    monkeypatch.setenv("PARALLEL_RUNNER_RG", str(dying))
    report, hits = found(pattern=b"needle", path=bytes(tree))
    assert (hits, report.fatal) == ([], "ripgrep ended with signal 9")


def test_a_thousand_complaints_stop_nothing(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(1500):
        (tree / f"{number:0200}").touch(0o000)
    (tree / "readable").write_text("x\n")
    command = [sys.executable, "-c", POWERLESS, str(tree)]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("needs setpriv to be somebody who may not read everything")
        command = [setpriv, "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, env=env, capture_output=True, timeout=30, check=False)
    assert done.returncode == 3, done.stderr
    match, summary = map(json.loads, done.stdout.splitlines())
    assert match["path"] == "readable"
    assert summary["partial"]
    assert "Permission denied" in summary["errors"][0]
    (tree / "readable").unlink()
    done = subprocess.run(command, env=env, capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 21
    assert done.stderr.endswith(b"1480 more\n")
