"""A runner that goes on where another was killed: what depends on the dead one's jobs, and who is told of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.cli import PROGRAM, Program
from tests.support.waiting import wait_for

UNTIL_GO = "until [ -e go ]; do sleep 0.05; done"


def batch(program: Program, *jobs: object) -> str:
    """A batch file of these jobs."""
    (program.work / "b.json").write_text(json.dumps({"jobs": jobs}))
    return "b.json"


def killed(program: Program, began: str, *arguments: str, stdin: bytes | None = None) -> None:
    """A run that was killed once the file `began` was there."""
    process = program.start("run", *arguments, stdin=stdin)
    wait_for(lambda: (program.work / began).exists(), message="the job did not begin")
    process.kill()
    process.wait(10)
    assert process.stderr is not None
    process.stderr.close()


def test_what_waits_for_an_orphan_s_job_goes_on_when_that_ends(program: Program) -> None:
    name = batch(
        program,
        {"id": "a", "bash": f"touch began; {UNTIL_GO}; echo a"},
        {"id": "b", "bash": "echo b", "needs": ["a"]},
        {"id": "c", "bash": "echo c", "needs": {"after": ["a"], "when": "failed"}},
    )
    killed(program, "began", "-f", name)
    resumed = program.start("resume", "b1", stdout=subprocess.PIPE)
    (program.work / "go").touch()
    out, err = resumed.communicate(timeout=30)
    assert resumed.returncode == 1, err  # c is skipped.
    assert sorted(out.split()) == [b"a", b"b"], "the output of what was taken over is told as well"
    assert {row["id"]: row["state"] for row in program.results()} == {
        "a": "succeeded",
        "b": "succeeded",
        "c": "skipped",
    }


def test_what_a_dead_runner_s_worker_ended_reaches_log_and_results(program: Program) -> None:
    options = ("-j2", "--joblog", "log", "--results", "r")
    lines = f"touch began; {UNTIL_GO}; echo one\n{UNTIL_GO}; echo two\necho three\n".encode()
    killed(program, "began", *options, stdin=lines)
    (program.work / "go").touch()
    wait_for(lambda: not program.processes())
    done = program("run", *options, "--resume", "-q", stdin=lines)
    assert done.returncode == 0, done.stderr
    outs = sorted(path.read_bytes() for path in (program.work / "r").rglob("stdout"))
    assert outs == [b"one\n", b"three\n", b"two\n"]
    rows = (program.work / "log").read_bytes().splitlines()[1:]
    assert sorted(row.split(b"\t")[0] for row in rows) == [b"1", b"2", b"3"]


def test_an_orphan_s_job_can_be_cancelled_while_its_batch_is_resumed(program: Program) -> None:
    killed(program, "began", "-j1", stdin=b"touch began; exec sleep 60\n")
    resumed = program.start("resume", "b1")
    wait_for(lambda: b'"running"' in program("history", "--json").stdout, 20.0, "the batch is not taken over")
    assert program("cancel", "b1.1").returncode == 0
    assert resumed.wait(20) == 1
    assert resumed.stderr is not None
    resumed.stderr.close()
    assert program.results()[-1]["state"] == "cancelled"


def test_a_cancelled_job_is_not_skipped_again_when_what_it_waited_for_fails(program: Program) -> None:
    name = batch(
        program,
        {"id": "a", "bash": f"touch began; {UNTIL_GO}; false"},
        {"id": "b", "bash": "echo", "needs": ["a"]},
        {"id": "c", "bash": "echo", "needs": ["b"]},
    )
    running = program.start("run", "-f", name)
    wait_for(lambda: (program.work / "began").exists())
    assert program("cancel", "b1.b").returncode == 0
    wait_for(lambda: any(row["id"] == "b" for row in program.results()))
    (program.work / "go").touch()
    _, err = running.communicate(timeout=20)
    assert running.returncode == 3, err
    assert b"internal" not in err
    states = {row["id"]: row["state"] for row in program.results()}
    assert states == {"a": "failed", "b": "cancelled", "c": "skipped"}


def test_a_second_signal_of_another_kind_ends_at_once(program: Program) -> None:
    lines = b"trap '' TERM; touch began; while :; do sleep 0.05; done\n"
    running = program.start("run", stdin=lines)
    wait_for(lambda: (program.work / "began").exists())
    running.send_signal(signal.SIGTERM)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)
    assert running.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    wait_for(lambda: not program.processes())


def test_jobs_and_signals_do_not_wait_for_a_reader_of_stderr(program: Program) -> None:
    reader, writer = os.pipe()
    try:
        lines = b"head -c 300000 /dev/zero | tr '\\0' e >&2\nkill -9 $PPID\ntouch marker\n"
        running = program.start("run", "-j1", stdin=lines, stderr=writer)
        os.close(writer)
        wait_for(lambda: (program.work / "marker").exists(), 20.0, "the runner waits for who reads its stderr")
        while os.read(reader, 1 << 16):
            pass
        running.wait(20)
    finally:
        os.close(reader)


def test_results_that_cannot_be_written_end_the_run_and_no_running_job(program: Program) -> None:
    (program.work / "r").mkdir()
    (program.work / "r" / "1").touch()
    lines = f"{UNTIL_GO}; echo long > done\necho short; touch go\n".encode()
    done = program("run", "-j2", "--results", "r", stdin=lines)
    assert done.returncode == 107, done.stderr
    assert b"results cannot be written" in done.stderr
    assert (program.work / "done").exists()
    assert {row["state"] for row in program.results()} == {"succeeded"}


def test_interruptions_and_earlier_rounds_use_up_no_retries(program: Program) -> None:
    lines = b"echo x >> tries; [ -e began ] || { touch began; sleep 60; }; false\n"
    running = program.start("run", "--retries", "3", stdin=lines)
    wait_for(lambda: (program.work / "began").exists())
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=20)
    assert program("resume", "b1").returncode == 1
    assert (program.work / "tries").read_text().count("x") == 4, "one that was interrupted, and three"
    assert program("retry", "b1").returncode == 1
    assert (program.work / "tries").read_text().count("x") == 7


def test_order_is_kept_where_only_the_rest_runs(program: Program, tmp_path: Path) -> None:
    lines = b"echo 1\nfalse\necho 3\nfalse; echo 4\n"
    program("run", "-j1", stdin=lines)
    done = program("run", "-j2", "-k", "--json", "--resume", "b1", "--resume-failed", stdin=lines + b"echo 5\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["seq"], row["final"], row["command"]) for row in rows] == [(2, True, "false"), (5, True, "echo 5")]


def test_attempts_that_others_follow_are_told_as_such(program: Program) -> None:
    done = program("run", "-k", "--json", "--retries", "2", stdin=b"exit 3\necho hi\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["seq"], row["number"], row["final"]) for row in rows] == [
        (1, 1, False),
        (1, 2, True),
        (2, 1, True),
    ]
    assert rows == program.results()


def test_a_record_longer_than_what_is_read_at_once_does_not_stall(program: Program) -> None:
    (program.work / "in").write_bytes(b"x" * 4_000_000 + b"\0y")
    began = time.monotonic()
    with (program.work / "in").open("rb") as file:
        done = subprocess.run(
            [*PROGRAM, "run", "-q", "-0", "test", "-n"],
            stdin=file,
            cwd=program.work,
            env=program.env,
            check=False,
            capture_output=True,
        )
    assert done.returncode == 1, "one argument is longer than the kernel takes, and that is told"
    assert time.monotonic() - began < 20.0, "each piece that was read took a second"


@pytest.mark.parametrize("where", ["r", "r.csv", "r.json", "r.jsonl"])
def test_results_are_made_whole_after_a_kill(program: Program, where: str) -> None:
    options = ("-j2", "-k", "--results", where)
    lines = b"".join(b"echo %d\n" % i for i in range(40)) + f"touch began; {UNTIL_GO}; echo last\n".encode()
    killed(program, "began", *options, stdin=lines)
    (program.work / "go").touch()
    wait_for(lambda: not program.processes())
    # What a slower runner would not have written: the last word of the journal counts.
    if where == "r":
        gone = sorted((program.work / "r").rglob("seq"))[:3]
        for path in gone:
            path.unlink()
    done = program("run", "-q", *options, "--resume", stdin=lines)
    assert done.returncode == 0, done.stderr
    if where == "r":
        found = {path.read_text() for path in (program.work / "r").rglob("seq")}
        assert found == {str(number) for number in range(1, 42)}
    else:
        text = (program.work / where).read_bytes()
        assert all(b"echo %d" % number in text for number in range(40))
        assert len(text.splitlines()) == {"r.csv": 1 + 41 * 2, "r.json": 41, "r.jsonl": 41}[where]


def test_blocks_of_every_size_go_through(program: Program) -> None:
    stream = b"".join(b"%d\n" % number for number in range(400_000))
    for size in ("64K", "65537", "512K", "1M", "3M"):
        done = program("run", "-q", "-k", "--pipe", "--block", size, "cat", stdin=stream)
        assert done.stdout == stream, (size, done.stderr[:500])
