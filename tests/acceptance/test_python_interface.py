"""Batches from Python."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import parallel_runner
from parallel_runner import RunError
from parallel_runner.errors import DataError
from parallel_runner.model.lifecycle import State
from tests.support.cli import CHECKOUT, Program, marked
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
    with batch.run(slots=2) as run:
        values = run.results()
    assert [one.value for one in values[:4]] == [0, 7, 14, {"sum": 3}]
    assert b"ZeroDivisionError" in values[4].errors


def prints_what_looks_like_a_result() -> str:
    """A job's function that prints, forks, and leaves stdout changed."""
    print('\x1eb1.1.1 14 {"returned": 1}', 5, end="")
    if not os.fork():
        return "child"
    os.wait()
    sys.stdout.flush()
    os.dup2(2, 1)
    return "paré"


def test_a_value_is_what_was_returned_and_nothing_else(home: Path) -> None:
    batch = parallel_runner.Batch(home=home, defaults={"max_output": "1K", "retries": 0})
    batch.call(prints_what_looks_like_a_result)
    batch.call(print, ("17",))
    batch.call(lambda: print("x" * 5000) or 3)
    without = {
        batch.call(lambda: ["x" * 600, "y" * 600]): r"1\d\d\d bytes of output not all are kept",
        batch.call(object): "<object object at .* JSON cannot carry",
        batch.call(lambda: 1 / 0): "nothing was returned, it ended as failed",
        batch.bash("echo 5"): "it has no value",
    }
    with batch.run(slots=2) as run:
        results = run.results()
    assert [one.value for one in results[:3]] == ["paré", None, 3]
    assert results[1].output.startswith(b"17\n")
    for one in results[3:]:
        with pytest.raises(ValueError, match=without[str(one.id)]):
            _ = one.value


def test_a_function_travels_once_for_all_its_calls(home: Path) -> None:
    ballast = os.urandom(1_000_000)
    batch = parallel_runner.Batch(home=home)
    batch.map(lambda value: value + len(ballast), range(20))
    batch.call(lambda value: value - len(ballast), (20,), timeout=60, tags=["other"])
    with batch.run(slots=2) as run:
        assert [one.value for one in run.results()] == [*range(1_000_000, 1_000_020), 20 - 1_000_000]
    written = sum(path.stat().st_size for path in (home / "state").glob("journal.db*"))
    assert written < 8_000_000
    with pytest.raises(DataError, match="allowed; hand it over in a file"):
        batch.call(len, (bytes(129 * 1024 * 1024),))
    with pytest.raises(DataError, match="foreach"):
        batch.call(print, foreach=[1, 2])


def test_a_function_that_failed_can_be_retried_from_the_command_line(home: Path, program: Program) -> None:
    batch = parallel_runner.Batch(home=program.home)
    batch.call(lambda: Path("ready").exists() or sys.exit(4))
    with batch.run() as run:
        assert [one.exit_code for one in run] == [4]
    Path("ready").touch()
    assert program("retry", "b1", env=program.env | {"PR_TEST_MARK": str(home.parent)}).returncode == 0
    (end,) = program.results()[-1:]
    assert end["number"] == 2
    assert '"returned": true' in end["stdout"]


def test_words_that_are_not_utf8_are_taken_as_they_are(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    Path(os.fsdecode(b"n\xff")).write_text("found")
    batch.bash(["cat", os.fsdecode(b"n\xff")])
    batch.bash([b"cat", Path(os.fsdecode(b"n\xff"))])
    batch.bash(b"cat n\xff")
    batch.bash(["echo", "n{item}"], foreach=["é"])
    with batch.run() as run:
        assert [one.output for one in run.results()] == [b"found", b"found", b"found", "né\n".encode()]
    with pytest.raises(DataError, match="no text"):
        batch.bash(["ls", "\ud800"])
    with pytest.raises(DataError, match="foreach"):
        batch.bash([b"ls", b"\xff{item}"], foreach=[1])


def test_ids_that_are_made_do_not_meet_those_that_are_given(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("true", id="job-2")
    assert [batch.bash("true") for _ in range(2)] == ["job-3", "job-4"]
    with pytest.raises(DataError, match="'job-3' was given to a job that was added without one"):
        batch.bash("true", id="job-3")
    with batch.run() as run:
        assert [one.id for one in run.results()] == ["job-2", "job-3", "job-4"]


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
    first = batch.bash("echo hi")
    batch.bash("grep SigBlk /proc/$(ps -o ppid= -p $PPID | tr -d ' ')/status", needs=[first])
    outputs: list[bytes] = []

    def run() -> None:
        # As programs do whose main thread alone takes signals.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        outputs.extend(one.output for one in batch.run())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert outputs == [b"hi\n", b"SigBlk:\t0000000000000000\n"]


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


def test_a_run_can_be_cancelled_before_it_has_begun(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("sleep 60", id="long")
    batch.bash("echo last", id="last", last=True)
    for _ in range(2):
        with batch.run(slots=1) as run:
            run.cancel()
            run.cancel()
            ends = {one.id: one.state for one in run}
        assert run.exit_code == 128 + signal.SIGTERM
        assert ends["last"] is State.SUCCEEDED
        assert ends.get("long") in (None, State.INTERRUPTED)


def test_a_run_that_nobody_holds_ends(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("echo early")
    batch.bash("sleep 60")
    assert next(iter(batch.run(slots=2))).output == b"early\n"
    wait_for(lambda: not marked(f"PR_TEST_MARK={home.parent}"), 10.0, "it ran on")
    after = parallel_runner.Batch(home=home)
    after.bash("echo after")
    assert [one.output for one in after.run()] == [b"after\n"], "and what is left of it is cleared away"


PROGRAM_THAT_WAITS = """
import sys
from parallel_runner import Batch

batch = Batch(home=sys.argv[1])
batch.bash("touch started; sleep 60")
batch.bash("touch other; sleep 60")
batch.bash("touch last", last=True)
run = batch.run(slots=2)
if sys.argv[2] == "iterates":
    with run:
        for attempt in run:
            print(attempt)
else:
    sys.stdin.read()
"""


def start_program(home: Path, what: str) -> subprocess.Popen[bytes]:
    """A program that runs two long jobs and a last one, in a process group of its own, as at a terminal."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", PROGRAM_THAT_WAITS, str(home), what]
    process = subprocess.Popen(
        command, env=environment, start_new_session=True, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: Path("started").exists() and Path("other").exists(), 30.0, "the jobs did not start")
    assert process.stdin is not None
    process.stdin.close()
    return process


@pytest.mark.parametrize("how", ["killed", "exits", "interrupted"])
def test_jobs_do_not_outlive_the_program_that_runs_them(home: Path, how: str) -> None:
    process = start_program(home, "exits" if how == "exits" else "iterates")
    if how == "killed":
        process.kill()
    elif how == "interrupted":
        os.killpg(process.pid, signal.SIGINT)
    process.wait(20)
    assert process.returncode == {"killed": -signal.SIGKILL, "exits": 0, "interrupted": -signal.SIGINT}[how]
    wait_for(lambda: not marked(f"PR_TEST_MARK={home.parent}"), 15.0, "the jobs ran on")
    assert Path("last").exists(), "what comes last is for the case that something goes wrong"


def test_an_impatient_user_does_not_wait_for_the_last_jobs(home: Path) -> None:
    batch = parallel_runner.Batch(home=home, defaults={"grace": 60})
    batch.bash("trap '' TERM; touch started; sleep 60")
    with pytest.raises(KeyboardInterrupt), batch.run(slots=1):
        wait_for(lambda: Path("started").exists(), 20.0, "the job did not start")
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
    timer.join()


def test_modules_of_the_current_directory_are_not_taken_for_others(home: Path) -> None:
    for name in ("msgspec", "signal", "parallel_runner"):
        Path(f"{name}.py").write_text("open('executed', 'w')")
    batch = parallel_runner.Batch(home=home)
    batch.bash("echo fine")
    batch.call(lambda: 1)
    with batch.run() as run:
        assert [one.succeeded for one in run] == [True, True]
        assert list(run) == run.results() == [], "each attempt comes only once"
    assert not Path("executed").exists()


def test_a_lost_run_is_told(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.bash("kill -9 $(ps -o ppid= -p $PPID)")
    batch.bash("echo")
    with batch.run(slots=1) as run:
        with pytest.raises(RunError, match="was lost"):
            list(run)
        assert list(run) == []
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


def test_a_function_that_leaves_with_an_exit_code_of_partial_tools_has_failed(home: Path) -> None:
    batch = parallel_runner.Batch(home=home)
    batch.call(os._exit, (3,))
    with batch.run(slots=1) as run:
        (one,) = run.results()
    assert (one.exit_code, one.state) == (3, State.FAILED)
