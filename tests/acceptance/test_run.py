"""`run` as a user meets it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import Program

HARD_NAMES = [
    b"a'b",
    b'a"b',
    b"$HOME",
    b"$(touch pwned)",
    b"`touch pwned`",
    b"new\nline",
    b"-rf",
    b"--help",
    b" x ",
    b"\xff\xfe",
    b"a;b",
    b"a&&b",
    b"*",
    b"~",
    b"{}",
    b"a\\b",
    b"\t",
    b"!!",
    b"#x",
    b"a|b",
    b"(x)",
    b"<x",
]


def test_lines_are_commands_and_outputs_stay_whole(program: Program) -> None:
    lines = b"".join(b"echo out%d; echo err%d >&2; echo more%d\n" % (i, i, i) for i in range(50))
    done = program("run", "-k", "-j4", stdin=lines)
    assert done.returncode == 0
    assert done.stdout == b"".join(b"out%d\nmore%d\n" % (i, i) for i in range(50))
    assert sorted(line for line in done.stderr.splitlines() if line.startswith(b"err")) == sorted(
        b"err%d" % i for i in range(50)
    )


@pytest.mark.parametrize("count", [1, 3, 100, 150])
def test_exit_code_counts_failures(program: Program, count: int) -> None:
    done = program("run", "-q", stdin=b"false\n" * count + b"true\n")
    assert done.returncode == min(count, 101)
    assert b"parallel-runner retry b1" in done.stderr


def test_hard_names_through_null_reach_the_program_untouched(program: Program) -> None:
    chance = random.Random(4)
    names = HARD_NAMES + [
        bytes(chance.choice([39, 34, 36, 10, 45, 255, 65, 32, 59, 96]) for _ in range(chance.randint(1, 12)))
        for _ in range(480)
    ]
    stdin = b"\0".join(names) + b"\0"
    plain = program("run", "-0", "-k", "-q", "/usr/bin/printf", "%s", stdin=stdin)
    shell = program("run", "-0", "-k", "-q", "printf '%s\\0' {} | cat", stdin=stdin)
    assert plain.returncode == shell.returncode == 0
    assert plain.stdout == b"".join(names)
    assert shell.stdout == stdin
    assert not (program.work / "pwned").exists()


def test_arguments_and_products(program: Program) -> None:
    done = program("run", "-k", "-q", "echo {2}-{1} {#}", ":::", "a", "b", ":::", "1", "2")
    assert done.stdout == b"1-a 1\n2-a 2\n1-b 3\n2-b 4\n"


def test_same_answers_as_gnu_parallel(program: Program) -> None:
    if shutil.which("parallel") is None:
        if os.environ.get("CI"):
            pytest.fail("GNU parallel is missing")
        pytest.skip("GNU parallel is missing")
    for template in (["echo"], ["echo {} x"], ["echo", "{}", "{}"], ["printf '%s|' {}"]):
        arguments = [*template, ":::", "a b", "c'd", "$x", "e\\f"]
        theirs = subprocess.run(
            ["parallel", "--will-cite", "-k", *arguments],
            capture_output=True,
            check=True,
            env={**program.env, "SHELL": "/bin/bash"},
            stdin=subprocess.DEVNULL,
        )
        assert program("run", "-k", "-q", *arguments).stdout == theirs.stdout


def test_bash_is_the_oracle_for_direct_execution(program: Program) -> None:
    corpus = [
        "true",
        "false",
        "nosuchprogram x",
        "/etc",
        "./nothere",
        "echo a  b",
        "/etc/passwd x",
        "printf %s a",
        "cd /",
        "test 1",
        ": x",
        "env -i",
        "%1",
        "/bin/echo -n  q",
        "exit 7",
        "kill -l",
        "uname",
        "ls /nonexistent",
    ]
    (program.work / "script").write_text("echo I am $0 $1\n")
    (program.work / "script").chmod(0o755)
    (program.work / "lost").write_text("#!/no/such/interpreter\n")
    (program.work / "lost").chmod(0o755)
    corpus += ["./script arg", "./lost"]
    program("run", "-q", stdin="\n".join(corpus).encode())
    rows = {row["seq"]: row for row in program.results()}
    for seq, line in enumerate(corpus, 1):
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", line],
            cwd=program.work,
            capture_output=True,
            check=False,
            env=program.env,
            stdin=subprocess.DEVNULL,
        )
        row = rows[seq]
        assert (row["exit_code"], row["stdout"]) == (done.returncode, done.stdout.decode()), line
        theirs, ours = done.stderr.decode(), row["stderr"]
        assert theirs.split(": ")[-1] == ours.split(": ")[-1], line


def test_json_and_results(program: Program, tmp_path: Path) -> None:
    done = program(
        "run", "--json", "--results", str(tmp_path / "r.jsonl"), stdin=b"echo hi\nprintf '\\377'\nexit 3\n"
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["seq"]: row["exit_code"] for row in rows} == {1: 0, 2: 0, 3: 3}
    assert [row["stdout_b64"] for row in rows if row["seq"] == 2] == ["/w=="]
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 3
    done = program("run", "-q", "--results", str(tmp_path / "dir"), "echo", ":::", "x")
    assert (tmp_path / "dir" / "1" / "x" / "stdout").read_bytes() == b"x\n"
    assert done.stdout == b""


def test_large_output_keeps_head_and_tail(program: Program) -> None:
    done = program("run", "--max-output", "1M", stdin=b"echo HEAD; head -c 50000000 /dev/zero; echo TAIL")
    assert done.returncode == 0
    assert len(done.stdout) < (1 << 20) + 200
    assert done.stdout.startswith(b"HEAD\n")
    assert done.stdout.endswith(b"TAIL\n")
    row = program.results()[0]
    assert (row["stdout_bytes"], row["stdout_truncated"]) == (50_000_010, True)


def test_long_lines_on_both_streams_are_not_mixed(program: Program) -> None:
    lines = "".join(
        f"z() {{ head -c 3000000 /dev/zero | tr '\\0' $1; echo; }}; z {chr(97 + i)}; z {chr(65 + i)} >&2\n"
        for i in range(10)
    )
    done = program("run", "-q", "-j2", stdin=lines.encode())
    for stream in (done.stdout, done.stderr):
        assert [(len(line), len(set(line))) for line in stream.splitlines()] == [(3_000_000, 1)] * 10


def test_retries_and_timeouts(program: Program) -> None:
    done = program("run", "--retries", "3", stdin=b"echo x >> tries; [ $(wc -l < tries) = 3 ]\n")
    assert done.returncode == 0
    assert [row["final"] for row in program.results()] == [False, False, True]


def test_many_runners_on_one_home(program: Program) -> None:
    processes = [program.start("run", "-q", "-j2", "true", ":::", *map(str, range(100))) for _ in range(6)]
    assert [
        (process.communicate(timeout=60)[1] and process.returncode) or process.returncode for process in processes
    ] == [0] * 6
    history = [json.loads(line) for line in program("history", "--json").stdout.splitlines()]
    assert sorted(row["tally"]["succeeded"] for row in history) == [100] * 6


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "-j", "x", "true"], 102, b"-j x: give N"),
        (["run", "--timeout", "nan", "true", ":::", "1"], 102, b"give seconds"),
        (["run", "echo {3}", ":::", "a"], 102, b"there is one value for each job"),
        (["runn"], 102, b"did you mean 'run'?"),
        (["run", "-f", "nothere.yaml"], 104, b"No such file"),
        (["why", "b1.1"], 107, b"there is no journal"),
        (["logs", "zzz"], 107, b"there is no journal"),
    ],
)
def test_mistakes_are_told(program: Program, arguments: list[str], code: int, message: bytes) -> None:
    done = program(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert b"Traceback" not in done.stderr
