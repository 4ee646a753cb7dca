"""Dependencies against a plain model: each job ends once, and runs just when what it waits for ended as it must."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_runner.ids import GROUP_BASE, job_id
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import State, satisfies
from parallel_runner.model.terms import Terms
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import Schedule

S, F, SKIPPED = State.SUCCEEDED, State.FAILED, State.SKIPPED


@dataclass
class Case:
    """A graph, and how each job ends if it runs."""

    jobs: int
    rows: list[tuple[int, int, str]] = field(default_factory=list)
    barriers: list[int] = field(default_factory=list)
    ends: dict[int, State] = field(default_factory=dict)


def made(seed: int) -> Case:
    """A random graph without cycles: jobs need earlier jobs, or groups of earlier jobs."""
    chance = random.Random(seed)
    case = Case(chance.randrange(1, 25))
    groups: list[tuple[int, int]] = []
    for place in range(1, case.jobs + 1):
        job = job_id(1, place)
        case.ends[job] = chance.choice([S, S, S, F])
        for _ in range(chance.randrange(4)):
            needed = job_id(1, chance.randrange(1, place)) if place > 1 else None
            usable = [group for group, last in groups if last < place]
            if usable and chance.random() < 0.5:
                needed = chance.choice(usable)
            if needed is not None and all(row[:2] != (job, needed) for row in case.rows):
                when = "finished" if needed in case.barriers else chance.choice(["succeeded", "failed", "finished"])
                case.rows.append((job, needed, when))
        if chance.random() < 0.4:
            group = job_id(1, GROUP_BASE + len(groups))
            members = chance.sample(range(1, place + 1), chance.randrange(1, place + 1))
            case.rows += [(group, job_id(1, member), "member") for member in members]
            groups.append((group, place))
            if chance.random() < 0.3:
                case.barriers.append(group)
    return case


def model(case: Case) -> dict[int, State]:
    """How every job ends, worked out in the order of places."""
    states: dict[int, State] = {}

    def state_of(needed: int) -> State:
        members = [member for group, member, when in case.rows if group == needed and when == "member"]
        if not members:
            return states[needed]
        return S if all(states[member] is S for member in members) else F

    for place in range(1, case.jobs + 1):
        job = job_id(1, place)
        waits = [(needed, when) for one, needed, when in case.rows if one == job]
        runs = all(satisfies(when, state_of(needed)) for needed, when in waits)
        states[job] = case.ends[job] if runs else SKIPPED
    return states


def run(case: Case, ended: dict[int, State], steps: int, chance: random.Random) -> dict[int, State]:
    """Let up to `steps` jobs run, from where `ended` is; returns how all that ended did."""
    states = dict(ended)
    schedule = Schedule([Terms()], Needs(case.rows, ended, case.barriers))

    def end(job: int, state: State) -> None:
        assert job not in states, "ended twice"
        states[job] = state
        for skipped, _ in schedule.ended(job, state):
            assert skipped.id not in states
            states[skipped.id] = SKIPPED

    open_jobs = [Job(job_id(1, place), 0, b"") for place in range(1, case.jobs + 1)]
    for job, _ in schedule.add(job for job in open_jobs if job.id not in ended):
        end(job.id, SKIPPED)
    while True:
        while schedule.reached:
            for job, _ in schedule.open(schedule.reached.pop()):
                states[job.id] = SKIPPED
        if not schedule.pools or not schedule.pools["bash"].ready or not steps:
            return states
        schedule.take("bash", chance.randrange(1, 4))
        for attempt in chance.sample(list(schedule.held), len(schedule.held)):
            if steps:
                steps -= 1
                end(schedule.held.pop(attempt).id, case.ends[attempt >> 8])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 30))
def test_as_the_model_says(seed: int) -> None:
    case = made(seed)
    assert run(case, {}, 1000, random.Random(seed)) == model(case)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 25))
def test_as_the_model_says_when_it_was_interrupted(seed: int, steps: int) -> None:
    case = made(seed)
    chance = random.Random(seed)
    first = run(case, {}, steps, chance)
    assert run(case, first, 1000, chance) == model(case)
