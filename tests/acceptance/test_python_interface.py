"""Batches from Python."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import parallel_runner
from parallel_runner.api.running import RunError
from parallel_runner.errors import DataError
from parallel_runner.model.lifecycle import State
from tests.support.cli import CHECKOUT, marked
from tests.support.waiting import wait_for


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home; afterwards no process of it lives."""
    monkeypatch.setenv("PR_TEST_MARK", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "home"
    wait_for(lambda: not marked(f"PR_TEST_MARK={tmp_path}"), 10.0, "processes were left behind")


def test_jobs_end_one_by_one_and_come_in_order(home: Path) -> None:
    batch = parallel_runner.Batch("demo", home=home, defaults={"timeout": 30})
    first = batch.bash("echo first >&2; echo a b", id="first")
    batch.bash(["printf", "%s|", "a b", "*"], needs=[first])
    batch.add(grep={"pattern": "x", "path": "."}, last=True)
    with batch.run(slots=2) as run:
        seen = [attempt.id for attempt in run]
    assert seen == ["first", "job-2", "job-3"]
    assert run.exit_code == 0
    found = parallel_runner.Batch(home=home)
    found.bash("exit 3", retries=1)
    found.bash("printf '\\377'")
    with found.run() as run:
        failed, succeeded = run.results()
    assert (failed.exit_code, failed.number, failed.state, failed.succeeded) == (3, 2, State.FAILED, False)
    assert (succeeded.output, succeeded.errors, succeeded.succeeded) == (b"\xff", b"", True)
    assert run.exit_code == 1


def test_functions_travel_with_what_they_close_over(home: Path) -> None:
    factor = 7
    batch = parallel_runner.Batch(home=home)
    ids = batch.map(lambda value: value * factor, range(3))
    batch.call(lambda one, two: {"sum": one + len(two)}, (1,), {"two": {3, 4}}, needs=ids)
    batch.call(lambda: 1 / 0)
    batch.call(lambda: object())
    with batch.run(slots=2) as run:
        values = run.results()
    assert [one.value for one in values[:4]] == [0, 7, 14, {"sum": 3}]
    assert b"ZeroDivisionError" in values[4].errors
    with pytest.raises(ValueError, match="Expecting value"):
        _ = values[5].value


def test_mistakes_are_told_before_anything_starts(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("touch started", id="a", needs=["b"])
    batch.add(bsah="echo")
    with pytest.raises(DataError, match="did you mean 'bash'"):
        batch.run()
    assert not Path("started").exists()
    wrong = parallel_runner.Batch(home=home)
    wrong.bash("true")
    with wrong.run(slots="many") as run, pytest.raises(RunError, match="-j many"):
        list(run)


def test_it_runs_from_a_thread(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("echo hi")
    outputs: list[bytes] = []
    thread = threading.Thread(target=lambda: outputs.extend(one.output for one in batch.run()))
    thread.start()
    thread.join(30)
    assert outputs == [b"hi\n"]


def test_giving_a_run_up_ends_its_jobs(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("echo early")
    batch.bash("sleep 60")
    batch.bash("sleep 61")
    with batch.run(slots=2) as run:
        assert next(iter(run)).output == b"early\n"
    assert run.exit_code is None


def test_a_cancelled_run_tells_its_ends(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("echo early")
    batch.bash("sleep 60")
    with batch.run(slots=2) as run:
        states = []
        for attempt in run:
            states.append(attempt.state)
            run.cancel()
    assert states == [State.SUCCEEDED, State.INTERRUPTED]
    assert run.exit_code == 128 + signal.SIGTERM


def test_a_lost_run_is_told(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("kill -9 $(ps -o ppid= -p $PPID)")
    batch.bash("echo")
    with batch.run(slots=1) as run, pytest.raises(RunError, match="was lost"):
        list(run)
    assert os.path.exists(home / "state" / "journal.db")


def test_the_examples_of_the_page_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARALLEL_RUNNER_HOME", str(home))
    page = (CHECKOUT / "docs" / "python.md").read_text()
    first, second = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(compile(first, "first", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1"
    assert {line.split()[0]: line.split()[1] for line in lines[:-1]} == {
        "build": "succeeded",
        "job-2": "succeeded",
        "broken": "failed",
    }
    exec(compile(second, "second", "exec"), {})
    assert capsys.readouterr().out == "[0, 7, 14, 21, 28, 1024]\n"
