"""Makes the journal that is checked in for a schema: `python -m tests.compat.make_journal FILE.db`.

Run once when a schema is released. The file is never made anew after that: it stands for what users have.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import msgspec

from parallel_runner.ids import GROUP_BASE
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchHeader, BatchRules, Group
from parallel_runner.model.job import Need
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Extent, Outcome, Output, Usage
from parallel_runner.model.terms import Expectation, Limits, RetryPolicy, Terms, Validation
from tests.support.journals import OTHER_BOOT, attempt, chain, done, failed, open_journal, specs

TERMS = (
    Terms(),
    Terms(
        tool="grep",
        cwd=b"/home/\xff",
        env=((b"A", b"\xfe"),),
        stdin=b"in",
        limits=Limits(timeout=1.5, memory=1 << 30),
        retry=RetryPolicy(max=2, on=("timeout", "exit:75"), backoff=2.0),
        leftovers="kill",
        idempotent=True,
        on_unknown="hold",
    ),
)
RULED = (
    Terms(
        tags=("a",),
        expect=Expectation(exit=(0, 3), stdout="x"),
        validate=Validation(b"true", 1.5),
        locks=("db",),
        priority=1,
        deadline=9.5,
        retry=RetryPolicy(jitter=0.5),
    ),
)
RULES = BatchRules(
    on_failure="stop",
    deadline=60.0,
    retry_budget=5,
    barrier_delay=0.5,
    groups=(Group("all jobs before `finally`", "main"),),
    finale=(3, 3),
)
LONG = Outcome(
    attempt(1, 3),
    State.TIMED_OUT,
    FailureClass.TIMEOUT,
    signal=15,
    started_at=1.5e9,
    usage=Usage(1.5, 0.25, 0.125, 1 << 20),
    out=Output(9_000_000, b"", (Extent("cafe-1.seg", 5, 100),), truncated=True),
    err=Output(3, b"\xff\0\n"),
    worker="cafe-1",
    containment="subreaper",
    detail="took longer than 1.5 s",
    partial=True,
)


def main(target: str) -> None:
    """Fill a journal with one of everything, and copy it to `target`."""
    with tempfile.TemporaryDirectory() as directory:
        journal = open_journal(Path(directory))
        header = BatchHeader(name="old", cwd=b"/home/\xff", identity=b"echo {}\0", results="out", terms=TERMS)
        batch = journal.create_batch(header, "cafe", "parallel-runner run 'echo {}'")
        assert batch == 1
        jobs = chain(4)
        jobs[2] = msgspec.structs.replace(jobs[2], terms=1, name="third", payload=b"\x91\xc4\x01\xff")
        journal.add_jobs(batch, 1, jobs)
        journal.finish_input(batch)
        journal.add_outcomes([(failed(attempt(batch, 1)), True), (done(attempt(batch, 2)), True), (LONG, False)])
        journal.gather("add_owner", [("cafe", 1, OTHER_BOOT, "run", 1.5e9)])
        journal.set_lease("cafe-1", "cafe", [attempt(batch, 4)])
        journal.flush()
        journal.requeue(batch, [State.FAILED])
        ended = journal.create_batch(BatchHeader(terms=TERMS[:1]), "cafe", "x")
        journal.add_jobs(ended, 1, specs(1))
        journal.add_outcomes([(done(attempt(ended, 1)), True)])
        journal.end_batch(ended, "done")
        journal.flush()
        _add_rules(journal)
        journal.close()
        shutil.copyfile(journal.layout.journal, target)


def _add_rules(journal: Journal) -> None:
    """What schema 2 brought: rules of a batch, groups, locks, further terms."""
    batch = journal.create_batch(BatchHeader(name="rules", terms=RULED, rules=RULES), "cafe", "x")
    jobs = [msgspec.structs.replace(spec, groups=(GROUP_BASE,)) for spec in specs(2)]
    last = msgspec.structs.replace(specs(3)[2], needs=(Need(GROUP_BASE, "finished"),))
    journal.add_jobs(batch, 1, [*jobs, last])
    journal.finish_input(batch)
    journal.gather("set_lock", [("db", "cafe", attempt(batch, 1) >> 8)])
    journal.flush()


if __name__ == "__main__":
    main(sys.argv[1])
