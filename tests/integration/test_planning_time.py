"""How long it takes until the first job of a large batch may start."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from parallel_runner.model.lifecycle import State
from parallel_runner.model.signature import Signature
from parallel_runner.model.terms import Terms
from parallel_runner.reports.estimates import LOOKED_AT, Past, Sample
from parallel_runner.runner.feeds import JournalFeed
from parallel_runner.runner.planning import Asked, plan
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import Schedule
from parallel_runner.workflows.batch_file import load_batch_file
from tests.support.journals import open_journal

JOBS = 10_000


def write(directory: Path) -> None:
    chance = random.Random(1)
    lines = ["jobs:"]
    for i in range(JOBS):
        needs = chance.sample(range(i), min(3, i))
        lines.append(f"  - {{id: j{i}, bash: 'true', needs: [{', '.join(f'j{n}' for n in needs)}]}}")
    (directory / "big.yaml").write_text("\n".join(lines))


@pytest.mark.slow
def test_ten_thousand_jobs_with_thirty_thousand_edges_are_planned_within_a_second(tmp_path: Path) -> None:
    write(tmp_path)
    journal = open_journal(tmp_path)
    began = time.process_time()
    spec = load_batch_file("big.yaml", cwd=str(tmp_path).encode(), base=Terms())
    batch = journal.create_batch(spec.header, "me", "x")
    journal.add_jobs(batch, 1, spec.jobs)
    journal.finish_input(batch)
    journal.flush()
    schedule = Schedule(spec.header.terms, Needs(journal.needs(batch), journal.final_states(batch)))
    feed = JournalFeed(journal, batch)
    while not feed.read_all:
        assert schedule.add(feed.pull()) == []
    assert time.process_time() - began < 1.0
    journal.close()
    done = 0
    while not schedule.idle:
        for attempt, job in schedule.take("bash", 32):
            del schedule.held[attempt]
            assert schedule.ended(job.id, State.SUCCEEDED) == []
            done += 1
    assert done == JOBS


@pytest.mark.slow
def test_their_plan_is_told_within_a_second(tmp_path: Path) -> None:
    write(tmp_path)
    chance = random.Random(1)
    known = Signature("true", "true")
    past = Past(Sample("bash", known, chance.random(), chance.randrange(1 << 30)) for _ in range(LOOKED_AT))
    began = time.perf_counter()
    spec = load_batch_file("big.yaml", cwd=str(tmp_path).encode(), base=Terms())
    told = plan(Asked(header=spec.header, jobs=spec.jobs, slots=8), past)
    assert time.perf_counter() - began < 1.0
    assert len(told.jobs) == JOBS
    assert told.makespan.least < told.makespan.p50 < told.makespan.most
    assert told.critical_path.length <= told.makespan.p50
