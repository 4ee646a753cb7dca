"""A batch gone through on paper: what must hold of any plan, and what the rules of a batch ask for."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_runner.ids import GROUP_BASE
from parallel_runner.model.batch import BatchRules, Group
from parallel_runner.model.fan_out import FAN_OUT
from parallel_runner.model.job import JobSpec, Need
from parallel_runner.model.terms import PRIORITIES, Terms
from parallel_runner.scheduler.critical import critical_path, peak
from parallel_runner.scheduler.rehearsal import Rehearsal, Score, Start, rehearse

TERMS = (
    Terms(),
    Terms(tool="glob"),
    Terms(priority=PRIORITIES.index("high")),
    Terms(locks=("a",)),
    Terms(locks=("a", "b")),
    Terms(tool=FAN_OUT),
)


def job(terms: int = 0, needs: tuple[Need, ...] = (), groups: tuple[int, ...] = ()) -> JobSpec:
    return JobSpec(terms=terms, payload=b"", key=b"", needs=needs, groups=groups)


def made(seed: int) -> tuple[Score, list[float]]:
    """A random batch without cycles: jobs need earlier jobs, or groups of earlier jobs."""
    chance = random.Random(seed)
    count = chance.randrange(1, 30)
    members: dict[int, list[int]] = {}
    needs: list[tuple[Need, ...]] = []
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place in range(1, count + 1):
        usable = [*range(1, place), *members]
        wanted = chance.sample(usable, min(len(usable), chance.randrange(4)))
        needs.append(
            tuple(Need(one, chance.choice(["succeeded", "succeeded", "finished", "failed"])) for one in wanted)
        )
        if chance.random() < 0.2:
            group = GROUP_BASE + len(members)
            members[group] = chance.sample(range(1, place + 1), chance.randrange(1, place + 1))
            for member in members[group]:
                groups[member].append(group)
    kinds = [chance.randrange(len(TERMS)) for _ in range(count)]
    score = Score(
        jobs=[job(kinds[i], needs[i], tuple(groups[i + 1])) for i in range(count)],
        terms=TERMS,
        rules=BatchRules(groups=tuple(Group(f"g{i}", "foreach") for i in range(len(members)))),
        slots=chance.randrange(1, 5),
        delay=chance.choice([0.0, 0.0, 0.25]),
    )
    return score, [chance.choice([0.0, 0.5, 1.0, chance.random() * 5]) for _ in range(count)]


def at(gone: Rehearsal) -> dict[int, Start]:
    return {start.place: start for start in gone.starts}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 30))
def test_what_holds_of_any_plan(seed: int) -> None:
    score, durations = made(seed)
    gone = rehearse(score, durations)
    started, skipped = at(gone), dict(gone.skipped)
    assert len(gone.starts) + len(skipped) + len(gone.left) == len(score.jobs), "each job is told once"
    assert set(started) | set(skipped) == set(range(1, len(score.jobs) + 1))
    _no_slot_twice(gone)
    _needs_respected(score, started)
    _locks_respected(score, gone)
    chain = critical_path(gone.starts, score.jobs)
    assert gone.makespan >= chain.length - 1e-9
    total = sum(start.end - start.at for start in gone.starts)
    if not score.delay:
        assert gone.makespan <= total + 1e-9, "something always runs"
    assert rehearse(score, durations) == gone, "the same batch has the same plan"


def _no_slot_twice(gone: Rehearsal) -> None:
    by_slot: defaultdict[tuple[str, int], list[Start]] = defaultdict(list)
    for start in gone.starts:
        if start.slot:
            by_slot[start.pool, start.slot].append(start)
    for starts in by_slot.values():
        for before, after in pairwise(starts):
            assert before.end <= after.at


def _needs_respected(score: Score, started: dict[int, Start]) -> None:
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place, spec in enumerate(score.jobs, 1):
        for group in spec.groups:
            members[group].append(place)
    for place, start in started.items():
        for need in score.jobs[place - 1].needs:
            for needed in members[need.job] if need.job >= GROUP_BASE else [need.job]:
                if needed in started:
                    assert started[needed].end <= start.at
                    assert need.job >= GROUP_BASE or need.when != "failed", "nothing fails on paper"
                else:
                    assert need.when != "succeeded", "what it needs is skipped"


def _locks_respected(score: Score, gone: Rehearsal) -> None:
    by_lock: defaultdict[str, list[Start]] = defaultdict(list)
    for start in gone.starts:
        for name in score.terms[score.jobs[start.place - 1].terms].locks:
            by_lock[name].append(start)
    for starts in by_lock.values():
        for before, after in pairwise(starts):
            assert before.end <= after.at


def test_places_and_slots_are_given_in_order() -> None:
    gone = rehearse(Score(jobs=[job()] * 5, terms=TERMS, slots=2), [3.0, 1.0, 1.0, 1.0, 1.0])
    assert [(one.place, one.at, one.slot) for one in gone.starts] == [
        (1, 0.0, 1),
        (2, 0.0, 2),
        (3, 1.0, 2),
        (4, 2.0, 2),
        (5, 3.0, 1),
    ]
    assert gone.makespan == 4.0


def test_priority_goes_first_within_a_tool_and_the_slots_are_for_all_tools() -> None:
    gone = rehearse(Score(jobs=[job(), job(1), job(2)], terms=TERMS, slots=1), [1.0] * 3)
    starts = sorted((one.at, one.place, one.pool) for one in gone.starts)
    assert [at for at, _, _ in starts] == [0.0, 1.0, 2.0]
    bash = [place for _, place, pool in starts if pool == "bash"]
    assert bash == [3, 1]


def test_delay_between_starts() -> None:
    gone = rehearse(Score(jobs=[job()] * 3, terms=TERMS, slots=3, delay=0.5), [2.0] * 3)
    assert [one.at for one in gone.starts] == [0.0, 0.5, 1.0]


def test_a_delay_that_adapts_shrinks_with_each_success() -> None:
    gone = rehearse(Score(jobs=[job()] * 4, terms=TERMS, slots=9, delay=1.0, adaptive=True), [0.5] * 4)
    # The second start was due when the first job ended; what is due after it comes sooner.
    assert [round(one.at, 9) for one in gone.starts] == [0.0, 1.0, 1.9, 2.71]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 30))
def test_no_slot_idles_while_a_job_is_ready(seed: int) -> None:
    """Graham's bound holds of every plan that lets no slot idle for nothing: one tool, no locks, no delay."""
    score, durations = made(seed)
    plain = replace(score, delay=0.0, jobs=[msgspec.structs.replace(spec, terms=0) for spec in score.jobs])
    gone = rehearse(plain, durations)
    work = sum(start.end - start.at for start in gone.starts)
    waited = _longest_wait(plain, gone)
    assert gone.makespan <= work / plain.slots + waited + 1e-9


def _longest_wait(score: Score, gone: Rehearsal) -> float:
    """Seconds of the batch when there are slots for all: only needs make jobs wait then."""
    took = {start.place: start.end - start.at for start in gone.starts}
    wide = replace(score, slots=len(score.jobs))
    return rehearse(wide, [took.get(place, 0.0) for place in range(1, len(score.jobs) + 1)]).makespan


def test_phases_wait_for_each_other_and_for_the_barrier() -> None:
    rules = BatchRules(groups=(Group("phase 1", "phase"), Group("phase 2", "phase")), barrier_delay=0.25)
    first, second = (GROUP_BASE,), (GROUP_BASE + 1,)
    waits = (Need(GROUP_BASE, "finished"),)
    jobs = [job(groups=first), job(groups=first), job(needs=waits, groups=second), job()]
    gone = rehearse(Score(jobs=jobs, terms=TERMS, rules=rules, slots=4), [1.0, 100.0, 1.0, 1.0])
    assert [(one.place, one.at) for one in gone.starts] == [(1, 0.0), (2, 0.0), (4, 0.0), (3, 100.25)]
    assert critical_path(gone.starts, jobs).places == (2, 3)


def test_the_last_jobs_come_last() -> None:
    rules = BatchRules(groups=(Group("all", "main"),), finale=(3, 3))
    jobs = [job(groups=(GROUP_BASE,)), job(groups=(GROUP_BASE,)), job(needs=(Need(GROUP_BASE, "finished"),))]
    gone = rehearse(Score(jobs=jobs, terms=TERMS, rules=rules, slots=3), [1.0, 2.0, 1.0])
    assert at(gone)[3].at == 2.0


def test_what_waits_for_a_failure_is_skipped_with_all_that_waits_for_it() -> None:
    jobs = [job(), job(needs=(Need(1, "failed"),)), job(needs=(Need(2),)), job(needs=(Need(2, "finished"),))]
    gone = rehearse(Score(jobs=jobs, terms=TERMS), [1.0] * 4)
    assert gone.skipped == ((2, 1), (3, 2))
    assert [one.place for one in gone.starts] == [1, 4]


def test_a_fan_out_takes_no_slot_and_no_time() -> None:
    jobs = [job(), job(5, needs=(Need(1),)), job(needs=(Need(2),))]
    gone = rehearse(Score(jobs=jobs, terms=TERMS), [1.0] * 3)
    assert [(one.place, one.at, one.end, one.slot) for one in gone.starts] == [
        (1, 0.0, 1.0, 1),
        (2, 1.0, 1.0, 0),
        (3, 1.0, 2.0, 1),
    ]


def test_a_phase_that_never_ends_is_passed_or_stops_the_batch() -> None:
    """As from Python: what a phase has to wait for is behind its own barrier."""
    groups = (Group("phase 1", "phase"), Group("phase 2", "phase"))
    jobs = [
        job(needs=(Need(2, "finished"),), groups=(GROUP_BASE,)),
        job(needs=(Need(GROUP_BASE, "finished"),), groups=(GROUP_BASE + 1,)),
    ]
    score = Score(jobs=jobs, terms=TERMS, rules=BatchRules(groups=groups, barrier_timeout=30.0))
    gone = rehearse(score, [1.0, 1.0])
    assert [(one.place, one.at) for one in gone.starts] == [(2, 30.0), (1, 31.0)]
    stops = BatchRules(groups=groups, barrier_timeout=30.0, on_failure="stop")
    assert rehearse(Score(jobs=jobs, terms=TERMS, rules=stops), [1.0, 1.0]).left == (1, 2)


def test_peak_of_memory() -> None:
    starts = [Start(1, 0.0, 2.0, "bash", 1), Start(2, 1.0, 3.0, "bash", 2), Start(3, 2.0, 4.0, "bash", 1)]
    assert peak(starts, {1: 10, 2: 5, 3: 7}) == 15, "what ends makes room for what starts then"
    assert peak(starts, {3: 7}) == 7
    assert peak([], {}) == 0
