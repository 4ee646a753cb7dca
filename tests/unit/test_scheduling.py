"""Frames, dependencies and the schedule: pure decisions."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.ids import attempt_id, job_id
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import State
from parallel_runner.model.terms import Limits, Terms
from parallel_runner.scheduler.framing import Durations, frame_size, room, runs_ahead
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import Schedule
from parallel_runner.workflows.cycles import find_cycle


def durations(*walls: float) -> Durations:
    known = Durations()
    for wall in walls:
        known = known.after(wall)
    return known


def test_short_jobs_travel_in_full_frames() -> None:
    short = durations(*[0.001] * 50)
    assert frame_size(short, 10_000, 2, gated=False) == 32
    assert frame_size(short, 20, 4, gated=False) == 3  # The tail is shared out.
    assert frame_size(short, 10_000, 2, gated=True) == 1


def test_long_jobs_go_one_at_a_time() -> None:
    long = durations(*[2.0] * 50)
    assert frame_size(long, 10_000, 2, gated=False) == 1
    assert room(0, 1, ahead=runs_ahead(long, 10_000, 2)) == 1
    assert room(1, 1, ahead=runs_ahead(long, 10_000, 2)) == 0


def test_unknown_jobs_run_ahead_only_when_many_wait() -> None:
    assert not runs_ahead(Durations(), 10, 2)
    assert runs_ahead(Durations(), 100, 2)


@given(st.lists(st.floats(0.0001, 100), max_size=60), st.integers(1, 100_000), st.integers(1, 90), st.booleans())
def test_frames_stay_in_their_bounds(walls: list[float], ready: int, workers: int, gated: bool) -> None:
    known = durations(*walls)
    size = frame_size(known, ready, workers, gated=gated)
    assert 1 <= size <= 32
    given_now = room(0, size, ahead=not gated and runs_ahead(known, ready, workers))
    assert given_now >= 1  # An idle worker is never left without.


def test_quantile_settles_where_one_in_twenty_passes() -> None:
    known = durations(*[0.01 if i % 40 else 1.0 for i in range(4000)])
    assert known.p95 is not None
    assert known.p95 < 0.5


def test_needs_free_and_skip() -> None:
    needs = Needs(
        [(2, 1, "succeeded"), (3, 1, "failed"), (4, 1, "finished"), (5, 2, "succeeded"), (5, 4, "finished")], {}
    )
    assert needs.waits(5)
    freed = needs.ended(1, State.FAILED)
    assert freed.ready == [3, 4]
    assert freed.skipped == [(2, 1)]
    assert needs.ended(2, State.SKIPPED).skipped == [(5, 2)]
    assert needs.ended(4, State.SUCCEEDED) == ([], [], [])


def test_needs_of_a_resumed_batch() -> None:
    needs = Needs([(2, 1, "succeeded"), (3, 1, "failed"), (4, 3, "finished")], {1: State.SUCCEEDED})
    assert not needs.waits(2)
    assert needs.hopeless() == {3: 1}
    assert needs.waits(4)


def jobs(count: int, terms: int = 0) -> list[Job]:
    return [Job(job_id(1, seq), terms, b"") for seq in range(1, count + 1)]


def test_leases_that_come_back_keep_their_place() -> None:
    schedule = Schedule([Terms()], Needs([], {}))
    schedule.add(jobs(5))
    taken = [attempt for attempt, _ in schedule.take("bash", 3)]
    assert taken == [attempt_id(job_id(1, seq), 1) for seq in (1, 2, 3)]
    schedule.give_back(taken[1:])
    assert [attempt for attempt, _ in schedule.take("bash", 2)] == taken[1:]
    assert set(schedule.held) == set(taken)


def test_declared_memory_gates_a_pool() -> None:
    schedule = Schedule([Terms(limits=Limits(memory=1))], Needs([], {}))
    schedule.add(jobs(1))
    assert schedule.pools["bash"].gated


def test_retries_wait_for_their_moment() -> None:
    schedule = Schedule([Terms()], Needs([], {}))
    schedule.add([])
    schedule.again(jobs(1)[0], 10.0)
    schedule.release_delayed(9.9)
    assert not schedule.pools
    assert schedule.next_delay() == 10.0
    assert not schedule.idle
    schedule.release_delayed(10.0)
    assert len(schedule.pools["bash"].ready) == 1


def test_skips_cascade() -> None:
    all_jobs = jobs(4)
    ids = [job.id for job in all_jobs]
    schedule = Schedule(
        [Terms()],
        Needs([(ids[1], ids[0], "succeeded"), (ids[2], ids[1], "succeeded"), (ids[3], ids[2], "finished")], {}),
    )
    schedule.add(all_jobs)
    skipped = schedule.ended(ids[0], State.FAILED)
    assert [job.id for job, _ in skipped] == [ids[1], ids[2]]
    assert [job.id for job in schedule.pools["bash"].ready] == [ids[0], ids[3]]


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=4)))
def test_cycles_are_real_and_all_are_found(edges: dict[str, list[str]]) -> None:
    cycle = find_cycle(edges)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert all(after in edges[before] for before, after in pairwise(cycle))
    else:
        order: list[str] = []
        left = dict(edges)
        while left:
            free = [name for name, needed in left.items() if not any(one in left for one in needed)]
            assert free
            order += free
            for name in free:
                del left[name]


def test_a_long_chain_is_no_cycle() -> None:
    assert find_cycle({str(i): [str(i + 1)] for i in range(50_000)}) is None


def test_a_job_that_no_worker_has_can_be_taken_out() -> None:
    first, second, third, fourth = (Job(job_id(1, seq), 0, b"") for seq in range(1, 5))
    schedule = Schedule([Terms(tool="bash")], Needs([(second.id, first.id, "succeeded")], {}))
    schedule.add([first, second, third])
    schedule.again(fourth, 5.0)
    assert schedule.remove(second.id) == second
    assert schedule.remove(third.id) == third
    assert schedule.remove(fourth.id) == fourth
    assert schedule.next_delay() is None
    assert [job for _, job in schedule.take("bash", 9)] == [first]
    assert schedule.remove(first.id) is None, "a worker has it"
