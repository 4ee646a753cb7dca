"""Groups, barriers, priorities, locks, and the rules of a batch: pure decisions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parallel_runner.ids import GROUP_BASE, attempt_id, job_id
from parallel_runner.model.batch import BatchRules, Group
from parallel_runner.model.fan_out import FAN_OUT
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome, Usage
from parallel_runner.model.retry import Decision, Past, decide
from parallel_runner.model.terms import RetryPolicy, Terms
from parallel_runner.scheduler.course import Course, Move, without_rest
from parallel_runner.scheduler.locking import next_for_locks
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import Schedule

S, F = State.SUCCEEDED, State.FAILED


def jid(place: int) -> int:
    return job_id(1, place)


def gid(index: int) -> int:
    return job_id(1, GROUP_BASE + index)


def job(place: int, terms: int = 0, number: int = 0) -> Job:
    return Job(jid(place), terms, b"", number)


def course(rules: BatchRules, terms: Sequence[Terms] = (Terms(),), now: float = 0.0) -> Course:
    return Course(1, rules, terms, now, timeout=30.0, delay=2.0)


def failed(place: int, number: int = 1, wall: float = 0.0) -> Outcome:
    ident = attempt_id(jid(place), number)
    return Outcome(ident, F, FailureClass.EXIT, exit_code=1, usage=Usage(wall))


# -- groups


def members(group: int, *places: int) -> list[tuple[int, int, str]]:
    return [(gid(group), jid(place), "member") for place in places]


def test_a_group_ends_with_its_last_member() -> None:
    needs = Needs([*members(0, 1, 2), (jid(3), gid(0), "succeeded"), (jid(4), gid(0), "failed")], {})
    assert needs.ended(jid(1), S) == ([], [], [])
    assert needs.ended(jid(2), S) == ([jid(3)], [(jid(4), gid(0))], [])


def test_a_group_has_failed_when_one_of_it_has() -> None:
    after = [(jid(place), gid(0), when) for place, when in ((3, "succeeded"), (4, "failed"), (5, "finished"))]
    needs = Needs([*members(0, 1, 2), *after], {})
    assert needs.ended(jid(1), F) == ([], [], [])
    assert needs.ended(jid(2), S) == ([jid(4), jid(5)], [(jid(3), gid(0))], [])


def test_a_resumed_group_knows_who_has_ended() -> None:
    rows = [*members(0, 1, 2), (jid(3), gid(0), "succeeded"), *members(1, 1), (jid(4), gid(1), "succeeded")]
    needs = Needs(rows, {jid(1): F})
    assert needs.hopeless() == {jid(4): gid(1)}
    assert needs.waits(jid(3))
    assert needs.ended(jid(2), S).skipped == [(jid(3), gid(0))]


def test_new_members_keep_a_group_open() -> None:
    needs = Needs([*members(0, 1), (jid(2), gid(0), "succeeded")], {})
    needs.enter([jid(3), jid(4)], [gid(0)])
    assert needs.ended(jid(1), S) == ([], [], [])
    assert needs.ended(jid(3), S) == ([], [], [])
    assert needs.ended(jid(4), S).ready == [jid(2)]


def test_a_barrier_is_opened_from_outside() -> None:
    rows = [*members(0, 1), (jid(2), gid(0), "finished")]
    needs = Needs(rows, {}, [gid(0)])
    assert needs.ended(jid(1), F) == ([], [], [gid(0)])
    assert needs.open(gid(0)).ready == [jid(2)]
    early = Needs(rows, {}, [gid(0)])
    assert early.open(gid(0)).ready == [jid(2)]
    assert early.ended(jid(1), F) == ([], [], [])
    assert Needs(rows, {jid(1): S}, [gid(0)]).reached == [gid(0)]


# -- the schedule


def test_higher_priority_goes_first() -> None:
    terms = [Terms(), Terms(priority=0), Terms(priority=4)]
    schedule = Schedule(terms, Needs([], {}))
    schedule.add([job(1, 2), job(2), job(3, 1), job(4, 1), job(5)])
    first = [one.id for _, one in schedule.take("bash", 2)]
    assert first == [jid(3), jid(4)]
    schedule.give_back([attempt_id(jid(4), 1)])
    assert [one.id for _, one in schedule.take("bash", 9)] == [jid(4), jid(2), jid(5), jid(1)]


def test_jobs_with_locks_and_fan_outs_do_not_go_to_workers_by_themselves() -> None:
    terms = [Terms(), Terms(locks=("db",)), Terms(tool=FAN_OUT)]
    schedule = Schedule(terms, Needs([], {}))
    schedule.add([job(1), job(2, 1), job(3, 2)])
    assert schedule.lead == 3
    assert [one.id for one in schedule.locked] == [jid(2)]
    assert [one.id for one in schedule.fan_outs] == [jid(3)]
    assert not schedule.pools["bash"].gated
    schedule.admit(schedule.locked.popleft())
    assert schedule.pools["bash"].gated
    assert schedule.remove(jid(3)) == job(3, 2)


def test_all_that_has_not_started_can_be_taken_out() -> None:
    schedule = Schedule([Terms(), Terms(locks=("db",))], Needs([(jid(2), jid(1), "succeeded")], {}))
    schedule.add([job(1), job(2), job(3, 1), job(9)])
    schedule.again(job(4), 5.0)
    taken = schedule.take_unstarted(lambda ident: ident != jid(9))
    assert sorted(one.id for one in taken) == [jid(1), jid(2), jid(3), jid(4)]
    assert schedule.lead == 1
    assert schedule.next_delay() is None
    assert schedule.ended(jid(1), State.SKIPPED) == []  # The one that waited for it is gone already.


def test_who_came_first_has_a_claim_on_all_its_locks() -> None:
    names = {1: {"a", "b"}, 2: {"a"}, 3: {"c"}, 4: {"b"}}
    waiting = [job(place) for place in names]

    def names_of(one: Job) -> set[str]:
        return names[one.id & 0xFF]

    assert [one.id for one in next_for_locks(waiting, names_of, set(), 9)] == [jid(1), jid(3)]
    assert [one.id for one in next_for_locks(waiting, names_of, {"b"}, 9)] == [jid(3)]
    assert [one.id for one in next_for_locks(waiting, names_of, set(), 1)] == [jid(1)]


# -- rules


def test_what_a_failure_means() -> None:
    rules = BatchRules(on_failure="stop", finale=(3, 3))
    one = course(rules)
    assert one.failure(jid(1), S) is None
    assert one.failure(jid(1), State.SKIPPED) is None
    assert one.failure(jid(3), F) is None  # The last jobs stop nobody.
    assert one.failure(jid(1), State.TIMED_OUT) is Move.STOP
    one.end("b1.1 failed")
    assert one.failure(jid(2), F) is None
    assert course(BatchRules(on_failure="pause")).failure(jid(1), F) is Move.PAUSE
    assert course(BatchRules()).failure(jid(1), F) is None


def test_nothing_is_tried_again_once_it_is_over() -> None:
    one = course(BatchRules(finale=(2, 2)))
    again = Decision(failed(1), final=False)
    assert one.judge(again, job(1), 0.0) == again
    one.end("b1.9 failed")
    denied = one.judge(again, job(1), 0.0)
    assert denied.final
    assert denied.outcome.detail == "no further attempt: b1.9 failed"
    last = Decision(failed(2), final=False)
    assert one.judge(last, job(2), 0.0) == last


def test_retry_budget() -> None:
    one = course(BatchRules(retry_budget=2))
    again = Decision(failed(1), final=False)
    lost = Decision(msgspec.structs.replace(failed(1), failure=FailureClass.WORKER_LOST), final=False)
    assert [one.judge(which, job(1), 0.0).final for which in (again, lost, again, again)] == [False] * 3 + [True]


def test_deadlines() -> None:
    terms = [Terms(), Terms(deadline=5.0)]
    one = course(BatchRules(deadline=10.0, finale=(3, 3)), terms)
    assert one.seconds_left(job(1), 4.0) == 6.0
    assert one.seconds_left(job(2, 1), 4.0) == 5.0
    assert one.seconds_left(job(2, 1), 7.0) == 3.0
    assert one.seconds_left(job(3), 4.0) is None
    assert one.judge(Decision(failed(2, wall=1.0), final=False, delay=2.0), job(2, 1), 5.0).final is False
    assert one.seconds_left(job(2, 1), 7.0) == 2.0  # Its first attempt began at 4.
    assert one.judge(Decision(failed(2, 2), final=False, delay=2.0), job(2, 1), 7.0).final
    assert one.look(9.9, busy=True) is None
    assert one.next_moment() == 10.0
    assert one.look(10.0, busy=True) is Move.EXPIRE
    one.end("over", overdue=True)
    assert one.look(11.0, busy=True) is None
    assert one.overdue


PHASES = (Group("phase 1", "phase"), Group("phase 2", "phase"))


def test_a_barrier_opens_after_its_delay() -> None:
    one = course(BatchRules(groups=PHASES, barrier_delay=1.5))
    one.reach(gid(0), 10.0)
    assert one.next_moment() == 11.5
    assert one.take_due(11.4) == []
    assert one.take_due(11.5) == [gid(0)]
    assert one.closed == [gid(1)]


def test_a_barrier_without_progress_follows_the_policy() -> None:
    for policy, move in (("continue", Move.OPEN), ("stop", Move.STOP), ("pause", Move.PAUSE)):
        one = course(BatchRules(groups=PHASES, on_failure=policy))  # type: ignore[arg-type]
        assert one.look(5.0, busy=True) is None
        assert one.next_moment() == 35.0
        assert one.look(34.9, busy=False) is None
        assert one.look(35.0, busy=False) is move
    assert one.force() == gid(0)
    assert one.look(99.0, busy=False) is None  # Nothing waits for the last phase.


def test_interrupted_batches_end_with_their_last_jobs() -> None:
    needs = [
        *members(0, 1, 2),
        *members(1, 1, 2, 3),
        (jid(8), gid(1), "finished"),
        (jid(9), gid(0), "succeeded"),
        (jid(9), jid(8), "succeeded"),
        (jid(10), jid(3), "succeeded"),
    ]
    rows, states = without_rest(needs, {jid(1): S, jid(2): S}, [jid(8), jid(9), jid(10)])
    after = Needs(rows, states)
    assert not after.waits(jid(8))
    assert after.waits(jid(9))
    assert after.hopeless() == {jid(10): jid(3)}


def test_an_interrupted_batch_has_no_deadline_and_no_barriers_any_more() -> None:
    one = course(BatchRules(groups=PHASES, deadline=10.0, finale=(9, 9)))
    one.cut_short()
    assert one.next_moment() is None
    assert one.look(99.0, busy=False) is None
    assert not one.overdue
    assert one.seconds_left(job(9), 99.0) is None


def test_jitter_spreads_waits_and_is_the_same_each_time() -> None:
    terms = Terms(retry=RetryPolicy(max=5, backoff=10.0, jitter=0.2))
    waits = [decide(failed(place), terms, 1, Past(), read_only=False).delay for place in range(1, 200)]
    assert all(8.0 <= wait <= 12.0 for wait in waits)
    assert len(set(waits)) > 190
    assert waits[0] == decide(failed(1), terms, 1, Past(), read_only=False).delay
