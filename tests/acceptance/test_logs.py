"""`logs` and `results`: of what has ended, and of what still runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import Program
from tests.support.waiting import wait_for


@pytest.fixture
def gated(program: Program) -> Path:
    """A directory with FIFOs: a job that reads from one waits until the test writes a line."""
    for number in "123":
        os.mkfifo(program.work / f"gate{number}")
    return program.work


# Each gate is passed once: the writer may still be there when the next reader comes, who would then not wait.
WAIT = b"read line < gate1;"
WAIT_2 = b"read line < gate2;"
WAIT_3 = b"read line < gate3;"


def let_go(gated: Path, number: int = 1) -> None:
    """Open a gate; waits until somebody stands before it."""
    with open(gated / f"gate{number}", "w") as file:
        file.write("go\n")


class Follower:
    """`logs --follow`, and what it has said so far."""

    def __init__(self, program: Program, directory: Path, *arguments: str) -> None:
        self.out = directory / "followed.out"
        self.err = directory / "followed.err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = program.start(*arguments, stdout=out, stderr=err)

    def says(self, text: bytes) -> None:
        """Wait until it has said that."""
        wait_for(lambda: text in self.out.read_bytes(), message=f"{text!r} not in {self.out.read_bytes()[-300:]!r}")

    def ends(self) -> tuple[bytes, bytes]:
        """Everything, once it has ended by itself."""
        assert self.process.wait(20) == 0, self.err.read_bytes()
        return self.out.read_bytes(), self.err.read_bytes()


# -- of what has ended


def test_cuts_and_searches(program: Program) -> None:
    program("run", "-q", stdin=b"seq 1 100; echo oops >&2; printf end\n")
    assert program("logs", "b1.1", "--head", "2").stdout == b"1\n2\n"
    assert program("logs", "b1.1", "--tail", "2").stdout == b"100\nend"
    done = program("logs", "b1.1", "--grep", "^[49]2$")
    assert (done.stdout, done.stderr) == (b"42\n92\n", b"")
    assert program("logs", "b1.1", "--grep", "^42$", "-C1").stdout == b"41\n42\n43\n"
    assert program("logs", "b1.1", "--grep", "OOP", "-i").stderr == b"oops\n"
    assert program("logs", "b1.1", "--grep", "OOP", "-i", "--stderr").stdout == b"oops\n"
    assert program("logs", "b1.1", "--grep", "0", "--tail", "1").stdout == b"100\n"
    done = program("logs", "b1.1")
    assert done.stdout == b"".join(b"%d\n" % number for number in range(1, 101)) + b"end"
    assert done.stderr == b"oops\n"


def test_a_whole_batch_with_names(program: Program) -> None:
    (program.work / "b.yaml").write_text("jobs:\n  - {id: one, bash: printf a}\n  - {bash: 'echo b; echo c >&2'}\n")
    program("run", "-q", "-f", "b.yaml")
    done = program("logs", "b1")
    assert done.stdout == b"b1.one\ta\nb1.2\tb\n"
    assert done.stderr == b"b1.2\tc\n"
    assert program("logs", "b1", "--grep", "[bc]", "--stderr").stdout == b"b1.2\tc\n"


def test_attempts_by_number(program: Program) -> None:
    line = b"echo try$(ls | wc -l); touch $(mktemp XXXX); test $(ls | wc -l) = 3\n"
    program("run", "-q", "--retries", "3", stdin=line)
    assert program("logs", "b1.1").stdout == b"try2\n"
    assert program("logs", "b1.1", "--attempt", "1").stdout == b"try0\n"
    assert program("logs", "b1.1.2").stdout == b"try1\n"
    assert program("logs", "b1", "--attempt", "2").stdout == b"b1.1\ttry1\n"
    done = program("logs", "b1.1", "--attempt", "7")
    assert done.returncode == 102
    assert b"b1.1 has no attempt 7: it ended after 3" in done.stderr
    done = program("logs", "b1.1.2", "--follow")
    assert done.returncode == 102
    assert b"--follow shows a job from the attempt in hand on: give b1.1" in done.stderr


def test_what_has_not_ended_is_told_with_how_to_follow_it(program: Program) -> None:
    running = program.start("run", stdin=b"touch began; until [ -e go ]; do sleep 0.05; done\n")
    wait_for(lambda: (program.work / "began").exists())
    for arguments, which in (("b1.1",), b"b1.1"), (("b1.1", "--attempt", "2"), b"attempt 2 of b1.1"):
        done = program("logs", *arguments)
        assert done.returncode == 102
        assert which + b" has not ended yet; see `parallel-runner logs b1.1 --follow`" in done.stderr
    (program.work / "go").touch()
    assert running.wait(20) == 0
    assert running.stderr is not None
    running.stderr.close()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--grep", "("], b"--grep (: missing )"),
        (["-i"], b"give it as well"),
        (["--follow", "--tail", "3"], b"do not fit"),
    ],
)
def test_what_makes_no_sense_is_refused(program: Program, options: list[str], told: bytes) -> None:
    program("run", "-q", stdin=b"true\n")
    done = program("logs", "b1.1", *options)
    assert done.returncode == 102
    assert told in done.stderr


def test_results_are_chosen(program: Program) -> None:
    program("run", "-q", "--timeout", "0.5", stdin=b"true\nfalse\nsleep 30\nkill -9 $$\n")

    def chosen(*options: str) -> list[str]:
        done = program("results", "b1", *options)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["job"] for line in done.stdout.splitlines()]

    assert chosen() == ["b1.1", "b1.2", "b1.3", "b1.4"]
    assert chosen("--failed") == ["b1.2", "b1.3", "b1.4"]
    assert chosen("--state", "timed_out", "--state", "succeeded") == ["b1.1", "b1.3"]
    assert chosen("--class", "signal") == ["b1.4"]
    assert chosen("--job", "b1.2", "--job", "4") == ["b1.2", "b1.4"]
    assert chosen("--job", "b1.2", "--class", "signal") == []
    assert chosen("--follow") == ["b1.1", "b1.2", "b1.3", "b1.4"]
    assert program("results", "b1", "--job", "9").returncode == 102


def test_nobody_reads(program: Program) -> None:
    program("run", "-q", stdin=b"seq 1 200000\n")
    for verb in (["logs", "b1.1"], ["logs", "b1"], ["results"]):
        process = program.start(*verb, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.read(1)
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (141, b"")


# -- of what still runs


def test_output_is_seen_while_it_is_written(program: Program, gated: Path, tmp_path: Path) -> None:
    script = b"echo first; echo warned >&2; %s echo second; %s printf third\n" % (WAIT, WAIT_2)
    running = program.start("run", "-q", stdin=script)
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    follower = Follower(program, tmp_path, "logs", "b1.1", "--follow")
    follower.says(b"first\n")
    let_go(gated)
    follower.says(b"second\n")
    let_go(gated, 2)
    assert follower.ends() == (b"first\nsecond\nthird", b"warned\n")
    running.communicate(timeout=20)
    assert not list((program.home / "state" / "following").iterdir())


def test_a_job_that_has_not_begun_is_waited_for(program: Program, gated: Path, tmp_path: Path) -> None:
    lines = b"%s\n%s echo here; %s echo done\n" % (WAIT, WAIT_2, WAIT_3)
    running = program.start("run", "-q", "-j1", stdin=lines)
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    wait_for(lambda: program("why", "b1.2").returncode == 0)
    follower = Follower(program, tmp_path, "logs", "b1.2", "--follow", "--grep", "h|d")
    let_go(gated)
    wait_for(lambda: b"b1.2.1" in program("ps").stdout)
    let_go(gated, 2)
    follower.says(b"here\n")
    let_go(gated, 3)
    assert follower.ends() == (b"here\ndone\n", b"")
    running.communicate(timeout=20)


def test_long_output_is_whole_wherever_it_is_kept(program: Program, gated: Path, tmp_path: Path) -> None:
    # More than is held in memory, so that the beginning stands in the segment when the follower comes.
    running = program.start("run", "-q", stdin=b"seq 1 300000; %s seq 1 50000\n" % WAIT, stdout=subprocess.DEVNULL)
    segments = program.home / "state" / "outputs"
    wait_for(lambda: any(path.stat().st_size > 1_500_000 for path in segments.glob("*")))
    follower = Follower(program, tmp_path, "logs", "b1.1", "--follow")
    follower.says(b"\n300000\n")
    let_go(gated)
    out, err = follower.ends()
    assert out == b"".join(b"%d\n" % n for n in [*range(1, 300001), *range(1, 50001)])
    assert err == b""
    running.communicate(timeout=20)


def test_a_follower_that_does_not_read_holds_nobody_up(program: Program, gated: Path) -> None:
    running = program.start("run", "-q", stdin=b"echo up; %s seq 1 2000000\n" % WAIT, stdout=subprocess.DEVNULL)
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    follower = program.start("logs", "b1.1", "--follow", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"up\n"
    let_go(gated)
    running.communicate(timeout=30)
    assert running.returncode == 0
    assert program.results()[0]["stdout_bytes"] > 14_000_000
    follower.stdout.close()
    assert follower.wait(20) == 141


def test_further_attempts_are_followed(program: Program, gated: Path, tmp_path: Path) -> None:
    script = b"echo try; if test -e again; then %s else touch again; %s exit 5; fi\n" % (WAIT_2, WAIT)
    running = program.start("run", "-q", "--retries", "2", stdin=script)
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    follower = Follower(program, tmp_path, "logs", "b1.1", "--follow")
    follower.says(b"try\n")
    let_go(gated)
    follower.says(b"try\ntry\n")
    let_go(gated, 2)
    out, err = follower.ends()
    assert out == b"try\ntry\n"
    assert b"b1.1.1: failed; what its next attempt writes follows" in err
    running.communicate(timeout=20)


def test_a_worker_without_runner_is_followed(program: Program, gated: Path, tmp_path: Path) -> None:
    running = program.start("run", "-q", stdin=b"echo before; %s echo after\n" % WAIT)
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    running.kill()
    running.communicate()
    wait_for(lambda: b"orphan" in program("ps").stdout)
    follower = Follower(program, tmp_path, "logs", "b1.1", "--follow")
    follower.says(b"before\n")
    let_go(gated)
    follower.says(b"after\n")
    # Nobody runs its batch any more, so that nothing is going to be recorded by itself.
    follower.ends()
    assert b"nobody runs b1.1 now" in follower.err.read_bytes()
    assert program("resume", "b1").returncode == 0


def test_a_worker_that_is_killed_ends_no_follower(program: Program, gated: Path, tmp_path: Path) -> None:
    script = b"echo $$; if test -e again; then %s else touch again; %s fi; echo after\n" % (WAIT_2, WAIT)
    running = program.start("run", "-q", stdin=script)
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    follower = Follower(program, tmp_path, "logs", "b1.1", "--follow")
    follower.says(b"\n")
    worker = json.loads(program("ps", "--json").stdout)
    os.kill(worker["pid"], signal.SIGKILL)
    wait_for(lambda: b"b1.1.2" in program("ps").stdout)
    let_go(gated, 2)
    out, err = follower.ends()
    assert out.endswith(b"after\n")
    assert out.count(b"\n") == 3
    assert b"b1.1.1: failed" in err
    running.communicate(timeout=20)


def test_a_python_job_is_followed(program: Program, gated: Path, tmp_path: Path) -> None:
    (program.work / "jobs.py").write_text(
        "def wait():\n    print('in', flush=True)\n    open('gate1').read()\n    print('out')\n"
    )
    (program.work / "b.yaml").write_text("jobs:\n  - {python: 'jobs:wait', env: {PYTHONPATH: .}}\n")
    running = program.start("run", "-q", "-f", "b.yaml")
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    follower = Follower(program, tmp_path, "logs", "b1.1", "--follow")
    follower.says(b"in\n")
    let_go(gated)
    assert follower.ends()[0] == b"in\nout\n", running.communicate()
    running.communicate(timeout=20)


def test_a_batch_is_followed_to_its_end(program: Program, gated: Path, tmp_path: Path) -> None:
    lines = b"%s echo one\necho two\ntest -e x || { touch x; echo three; exit 1; }\n" % WAIT
    running = program.start("run", "-q", "-j3", "--retries", "2", stdin=lines)
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    logs = Follower(program, tmp_path, "logs", "b1", "--follow")
    logs.says(b"b1.2\ttwo\n")
    results = program.start("results", "b1", "--follow", stdout=subprocess.PIPE)
    let_go(gated)
    out, _ = logs.ends()
    assert sorted(out.splitlines()) == [b"b1.1\tone", b"b1.2\ttwo", b"b1.3\tthree"]
    told, _ = results.communicate(timeout=20)
    attempts = sorted(json.loads(line)["attempt"] for line in told.splitlines())
    assert attempts == ["b1.1.1", "b1.2.1", "b1.3.1", "b1.3.2"]
    running.communicate(timeout=20)


def test_a_home_that_cannot_be_written_is_told(program: Program, gated: Path) -> None:
    running = program.start("run", "-q", stdin=WAIT + b"\n")
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    place = program.home / "state" / "following"
    place.write_text("in the way")
    done = program("logs", "b1.1", "--follow")
    assert done.returncode == 107
    assert b"cannot follow" in done.stderr
    let_go(gated)
    running.communicate(timeout=20)
