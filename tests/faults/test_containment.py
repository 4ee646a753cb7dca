"""Nothing escapes: whatever a job starts ends with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import Program
from tests.support.waiting import wait_for

ESCAPES = {
    "setsid": "setsid sleep {n} & sleep {n}",
    "double fork": "(setsid bash -c 'sleep {n} & wait' &) ; sleep {n}",
    "nohup": "nohup sleep {n} >/dev/null 2>&1 & sleep {n}",
    "washed environment": "env -i setsid sleep {n} & disown; sleep {n}",
    "ignores TERM": "trap '' TERM; (trap '' TERM; sleep {n}; sleep {n}) & sleep {n}; sleep {n}",
}


def sleepers(seconds: str) -> list[str]:
    """Pids of `sleep SECONDS`, by what the kernel says they run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes() == b"sleep\0" + seconds.encode() + b"\0":
                    found.append(entry.name)
            except OSError:
                continue
    return found


@pytest.mark.parametrize("name", ESCAPES)
def test_timed_out_job_leaves_nothing(program: Program, name: str) -> None:
    seconds = f"86{len(name)}.{sum(name.encode())}"
    done = program("run", "--timeout", "0.5", stdin=ESCAPES[name].format(n=seconds).encode())
    assert done.returncode == 1
    assert b"timeout" in done.stderr
    wait_for(lambda: not sleepers(seconds), 3.0)


def test_leftovers_of_a_normal_end_are_ended_and_named(program: Program) -> None:
    done = program("run", stdin=b"sleep 8642.1 & echo done")
    assert done.returncode == 0
    assert done.stdout == b"done\n"
    assert not sleepers("8642.1")
    # It is `bash` until it has called exec.
    assert re.search(r"left over and ended: (sleep|bash)\(\d+\)", program.results()[0]["detail"])


def test_leftovers_may_be_kept(program: Program) -> None:
    done = program("run", "--leftovers", "keep", stdin=b"exec 1>&- 2>&-; env -u PR_TEST_MARK sleep 2.51 &\ntrue\n")
    assert done.returncode == 0
    assert sleepers("2.51")
    wait_for(lambda: not sleepers("2.51"))


def test_memory_over_the_limit_is_told_as_oom(program: Program) -> None:
    script = b"python3 -c 'import time; x = bytearray(200 << 20); time.sleep(30)'"
    done = program("run", "--memory", "80M", stdin=script)
    assert done.returncode == 1
    row = program.results()[0]
    assert row["class"] == "oom"
    assert row["max_rss"] > 80 << 20


def test_orphans_of_a_killed_worker_are_ended_before_its_job_runs_again(program: Program) -> None:
    # The job kills its own worker the first time, having started something that outlives it.
    script = (
        b"if [ -e once ]; then [ -z \"$(pgrep -xf 'sleep 8643.7')\" ] && exit 0 || exit 9; fi; touch once; "
        b"env -i setsid sleep 8643.7 & kill -9 $PPID; sleep 60"
    )
    done = program("run", stdin=script)
    assert done.returncode == 0, done.stderr
    assert b"was lost" in done.stderr
    assert not sleepers("8643.7")
