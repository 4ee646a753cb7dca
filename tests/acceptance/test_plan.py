"""`run --plan` as a user sees it: what would run, and nothing of it done."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parallel_runner.cli.plan import duration, size
from parallel_runner.ids import job_id
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import JobSpec
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome, Usage
from parallel_runner.model.terms import Terms
from parallel_runner.tools.bash import BashPayload
from tests.acceptance.test_schemas import validated
from tests.support.cli import PROGRAM, Program

BATCH = """
name: nightly
jobs:
  - {id: find, glob: {pattern: "*.txt"}}
  - {id: count, foreach: {from: find.files}, bash: "wc -l {item}"}
  - {id: build, bash: "make -j4 all"}
  - {id: test, bash: "./check.sh", needs: [build, count]}
  - {id: tell, bash: "echo it broke", needs: [{after: build, when: failed}]}
finally:
  - {id: clean, bash: "rm -rf tmp"}
"""


def planned(program: Program, *arguments: str, stdin: bytes = b"") -> dict[str, Any]:
    """The plan, checked against its published schema."""
    done = program("run", "--plan", "--json", *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    (record,) = validated(program, "plan", done.stdout)
    return record


def remember(program: Program, command: bytes, walls: list[float], memory: int | None = None) -> None:
    """A journal that has jobs of this command, which took so long."""
    journal = Journal(StateLayout(str(program.home / "state")))
    payload = msgspec.msgpack.encode(BashPayload(command=command))
    batch = journal.create_batch(BatchHeader(terms=(Terms(),)), "owner", "x")
    journal.add_jobs(batch, 1, [JobSpec(payload=payload, key=bytes([i])) for i in range(len(walls))])
    journal.add_outcomes(
        (
            Outcome(
                job_id(batch, place) << 8 | 1, State.SUCCEEDED, started_at=1e9, usage=Usage(wall, 0, 0, memory)
            ),
            True,
        )
        for place, wall in enumerate(walls, 1)
    )
    journal.end_batch(batch, "done")
    journal.flush()
    journal.close()


def test_lines_are_planned_and_nothing_is_done(program: Program) -> None:
    done = program("run", "--plan", "-j2", stdin=b"touch a\ntouch b\ntouch c\n")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        "start  slot  p50      p95      memory p95  job  command",
        "0      1     unknown  unknown  unknown     1    touch a",
        "0      2     unknown  unknown  unknown     2    touch b",
        "1      1     unknown  unknown  unknown     3    touch c",
        "plan: 3 jobs on 2 slots; as long as 2 jobs one after the other",
        "  nothing is known of how long these jobs take: time is counted in jobs, each as 1",
    ]
    assert done.stderr == b""
    assert list(program.work.iterdir()) == []
    assert not (program.home / "state" / "journal.db").exists()


def test_nothing_is_recorded_in_a_journal_that_is_there(program: Program) -> None:
    program("run", "echo", ":::", "a")
    before = program("history", "--json").stdout
    done = program(
        "run", "--plan", "--wd", "new", "--joblog", "log", "--results", "out", "echo {} > {}", ":::", "1", "2"
    )
    assert b"plan: 2 jobs" in done.stdout
    assert program("history", "--json").stdout == before
    assert list(program.work.iterdir()) == []


def test_a_batch_file(program: Program) -> None:
    (program.work / "b.yaml").write_text(BATCH)
    plan = planned(program, "-j2", "-f", "b.yaml")
    assert (plan["name"], plan["unit"], plan["slots"]) == ("nightly", "jobs", 2)
    rows = {row["id"]: row for row in plan["jobs"]}
    assert [row["id"] for row in plan["jobs"]] == ["find", "build", "count", "test", "clean", "tell"]
    assert [rows[name]["will"] for name in ("find", "count", "tell")] == ["run", "become", "skip"]
    assert rows["count"]["command"] == "becomes a bash job for each of the files of find"
    assert rows["count"]["slot"] is None
    assert rows["tell"]["because"] == "needs build to have failed"
    assert (rows["test"]["start"], rows["clean"]["start"]) == (1.0, 2.0)
    assert plan["makespan"] == {"p50": 3.0, "least": 3.0, "most": 3.0}
    assert plan["critical_path"]["length"] == 3.0
    assert plan["unknown_time"] == 4
    text = program("run", "--plan", "-j2", "-f", "b.yaml").stdout.decode()
    assert "0        bash 1  unknown" in text
    assert "skipped  -" in text
    assert "needs build to have failed: echo it broke" in text
    assert "plan: 4 jobs on 2 slots (and 2 that no slot runs)" in text
    assert "what 1 job becomes is not known before" in text


def test_the_order_is_that_of_a_run(program: Program) -> None:
    (program.work / "b.yaml").write_text(
        "barrier: {delay: 0}\njobs:\n"
        "  - {id: late, bash: 'true', priority: lowest}\n"
        "  - {id: many, foreach: {range: 1..4}, bash: 'true'}\n"
        "  - {id: first, bash: 'true', needs: [many.3]}\n"
        "  - {id: second, bash: 'true', needs: [first, late]}\n"
        "  - {id: high, bash: 'true', priority: high, needs: [many.1]}\n"
        "  - {id: locked, foreach: {range: 1..2}, bash: 'true', locks: [a]}\n"
        "phases: [[first, many], [second, high]]\n"
        "finally:\n  - {id: clean, bash: 'true'}\n"
    )
    plan = planned(program, "-j1", "-f", "b.yaml")
    assert program("run", "-j1", "-f", "b.yaml").returncode == 0
    ran = sorted(program.results(), key=lambda row: str(row["started_at"]))
    assert [row["id"] for row in plan["jobs"]] == [row["id"] for row in ran]


def test_estimates_by_what_was_run_before(program: Program) -> None:
    remember(program, b"gzip -9 old.log", [float(one) for one in range(1, 21)], memory=4 << 20)
    remember(program, b"cp a b", [0.5])
    plan = planned(program, "-j2", stdin=b"gzip -9 a.log\ngzip -9 b.log\ncp x y\nnobody-knows\n")
    first, _, copy, unknown = sorted(plan["jobs"], key=lambda row: row["seq"])
    assert (first["signature"], first["basis"], first["samples"]) == ("gzip -#", "signature", 20)
    assert (first["wall_p50"], first["wall_p95"], first["max_rss_p95"]) == (10.0, 19.0, 4 << 20)
    assert not first["thin"]
    assert (copy["wall_p50"], copy["thin"]) == (0.5, True)
    assert (unknown["wall_p50"], unknown["basis"], unknown["samples"]) == (None, "unknown", 0)
    assert plan["unit"] == "seconds"
    # The median of 0.5, 10 and 10 stands in for what is unknown.
    assert plan["makespan"]["p50"] == 20.0
    assert plan["makespan"]["least"] < 20.0 < plan["makespan"]["most"]
    assert plan["peak_memory_p95"] == 8 << 20
    assert (plan["unknown_time"], plan["unknown_memory"], plan["thin"]) == (1, 2, 1)
    text = program("run", "--plan", "-j2", stdin=b"gzip -9 a.log\ncp x y\nnobody-knows\n").stdout.decode()
    assert "10 s" in text
    assert "~500 ms" in text
    assert "4.0 MiB" in text
    assert "unknown: 1 job, taken to last as long as the median of the others" in text
    assert "~: 1 job with an estimate by fewer than 20 attempts" in text
    assert "memory unknown, and not counted: 2 jobs" in text


def test_what_failed_or_was_too_large_tells_nothing(program: Program) -> None:
    program("run", stdin=b"exit 3\n")
    assert planned(program, stdin=b"exit 3\n")["jobs"][0]["basis"] == "unknown"
    remember(program, b"echo " + b"x" * 10_000, [1.0])
    assert planned(program, stdin=b"echo x\n")["jobs"][0]["basis"] == "unknown"


def test_limits_of_the_batch_are_told(program: Program) -> None:
    remember(program, b"sleep 5", [5.0] * 20)
    (program.work / "b.yaml").write_text("deadline: 7s\njobs:\n  - {foreach: {range: 1..2}, bash: sleep 5}\n")
    assert planned(program, "-j1", "-f", "b.yaml")["notes"] == [
        "the deadline of the batch, 7 s, would be over before its end"
    ]
    plan = planned(program, "-j2", "--timeout", "2", "--delay", "1", "--memfree", "1K", "sleep", ":::", "1", "2")
    assert [row["start"] for row in plan["jobs"]] == [0.0, 1.0]
    assert plan["makespan"]["p50"] == 3.0
    assert plan["notes"] == ["waits for --load and --memfree are not in the plan"]


def test_many_jobs_are_shown_in_part(program: Program) -> None:
    lines = b"".join(b"echo %d\n" % one for one in range(250))
    short = program("run", "--plan", stdin=lines).stdout.splitlines()
    assert len(short) == 1 + 200 + 3
    assert short[-2] == b"  not shown: 50 jobs (-v shows all)"
    assert len(program("run", "--plan", "-v", stdin=lines).stdout.splitlines()) == 1 + 250 + 2
    assert len(planned(program, stdin=lines)["jobs"]) == 250


def test_streams_and_bytes(program: Program) -> None:
    plan = planned(program, "--pipe", "-N1", "cat", stdin=b"a\nb\n")
    assert [row["command"] for row in plan["jobs"]] == ["cat", "cat"]
    assert planned(program, stdin=b": '\xff'\n")["jobs"][0]["command_b64"] == "OiAn/yc="
    assert planned(program, stdin=b"")["jobs"] == []
    text = program("run", "--plan", stdin=b"echo '\x1b[31m'\n").stdout
    assert b"\x1b" not in text


def on_a_terminal(program: Program, width: int, *arguments: str) -> bytes:
    """What is shown on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        cwd=program.work,
        env={**program.env, "TERM": "xterm", "COLUMNS": str(width)},
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:
        pass  # The other end is closed.
    os.close(ours)
    assert done.wait(30) == 0
    return shown


def test_a_table_on_a_terminal(program: Program) -> None:
    shown = on_a_terminal(program, 100, "run", "--plan", "echo [red]{}", ":::", "a")
    assert b"echo [red]a" in shown
    assert b"\x1b[1m" in shown


def test_a_long_command_leaves_the_other_columns_their_room(program: Program) -> None:
    command = "echo " + "long " * 40
    shown = on_a_terminal(program, 80, "run", "--plan", "-j1", command, ":::", "a", "b").decode()
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert lines[0].split() == ["start", "slot", "p50", "p95", "memory", "p95", "job", "command"]
    assert lines[1].startswith("0      1     unknown  unknown  unknown     1    echo long")
    assert lines[2].startswith("1      1     unknown  unknown  unknown     2    echo long")
    assert all(len(line) == 80 and line.endswith("…") for line in lines[1:3])
    assert program("run", "-q", command, ":::", "a").returncode == 0
    listed = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal(program, 80, "history").decode()).splitlines()
    assert listed[0].split() == ["batch", "begun", "state", "jobs", "command"]
    assert re.match(
        r"b1     20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  done   1 succeeded  parallel-runner run.*…$", listed[1]
    )


def test_slots_are_those_that_the_home_allows(program: Program) -> None:
    plan = planned(program, "-j5000", "true", ":::", "1")
    assert plan["slots"] < 5000
    assert plan["notes"] == [f"5000 jobs at once are asked for; this home allows {plan['slots']}"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dry-run", "echo"), b"give --plan or --dry-run, not both"),
        (("--resume", "echo"), b"--plan is of a new batch"),
        (("--resume-failed", "echo"), b"--plan is of a new batch"),
    ],
)
def test_what_has_no_plan_is_refused(program: Program, arguments: tuple[str, ...], said: bytes) -> None:
    done = program("run", "--plan", *arguments)
    assert done.returncode == 102
    assert said in done.stderr


def test_a_journal_that_cannot_be_read_is_no_obstacle(program: Program) -> None:
    state = Path(program.home) / "state"
    state.mkdir(parents=True)
    (state / "journal.db").write_bytes(b"no database at all" * 100)
    done = program("run", "--plan", stdin=b"echo a\n")
    assert done.returncode == 0
    assert b"  no history: " in done.stdout
    (note,) = planned(program, stdin=b"echo a\n")["notes"]
    assert note.startswith("no history: ")
    assert "journal.db is damaged" in note


def test_times_and_sizes_in_words() -> None:
    told = [duration(one) for one in (0, 0.0015, 0.35, 1.5, 35, 210, 7200 * 2)]
    assert told == ["0 s", "1.5 ms", "350 ms", "1.5 s", "35 s", "3.5 min", "4.0 h"]
    assert [size(one) for one in (0, 1536, 4 << 20, 3 << 39, 5 << 40)] == [
        "0.0 KiB",
        "1.5 KiB",
        "4.0 MiB",
        "1.5 TiB",
        "5.0 TiB",
    ]
