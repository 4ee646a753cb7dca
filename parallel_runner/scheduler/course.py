"""What the rules of a batch ask for as its jobs end and time goes by: pure decisions, time is told."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from parallel_runner.ids import GROUP_BASE, job_id, seq_of
from parallel_runner.model.batch import BatchRules
from parallel_runner.model.job import Job
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.retry import Decision
from parallel_runner.model.terms import Terms
from parallel_runner.scheduler.needs import MEMBER

_NO_FAILURES = frozenset({State.SUCCEEDED, State.SKIPPED, State.CANCELLED, State.INTERRUPTED})


class Move(Enum):
    """What is to be done about the batch as a whole."""

    STOP = "stop"
    """What has not started is skipped; what runs goes on."""
    PAUSE = "pause"
    """Nothing new starts in this run."""
    EXPIRE = "expire"
    """What runs is ended, what has not started is skipped."""
    OPEN = "open"
    """The next phase begins, whether or not the one before has ended."""


class Course:
    """Where a batch stands with its rules."""

    def __init__(
        self, batch: int, rules: BatchRules, terms: Sequence[Terms], now: float, *, timeout: float, delay: float
    ) -> None:
        """Begin at `now`; `timeout` and `delay` hold at barriers where the batch has none of its own."""
        self._rules = rules
        self._timeout = timeout if rules.barrier_timeout is None else rules.barrier_timeout
        self._delay = delay if rules.barrier_delay is None else rules.barrier_delay
        self._terms = terms
        self._batch = batch
        self._first: dict[int, float] = {}
        """When the first attempt of a job that has a deadline began."""
        self._retries = 0
        self._due: dict[int, float] = {}
        """Barriers that are reached, and when they are to be opened."""
        self._progress_at = now
        self.closed = [
            job_id(batch, GROUP_BASE + place) for place, group in enumerate(rules.groups) if group.kind == "phase"
        ]
        """Barriers that are not open, in order. Nothing waits for the last."""
        self.deadline_at = now + rules.deadline if rules.deadline is not None else None
        self.over = False
        """Nothing of what has not started will start, but for the last jobs."""
        self.overdue = False
        self.why_over = ""

    # -- jobs

    def is_last(self, job: int) -> bool:
        """Whether a job is one of those that run after everything else."""
        finale = self._rules.finale
        return finale is not None and finale[0] <= seq_of(job) <= finale[1]

    def seconds_left(self, job: Job, now: float) -> float | None:
        """How long an attempt that starts now may take, by deadlines; None: as long as it likes."""
        own = self._terms[job.terms].deadline
        ends = [self._first.get(job.id, now) + own] if own is not None else []
        if self.deadline_at is not None and not self.is_last(job.id):
            ends.append(self.deadline_at)
        return max(0.001, min(ends) - now) if ends else None

    def judge(self, decision: Decision, job: Job, now: float) -> Decision:
        """Deny a further attempt that the rules do not allow."""
        if decision.final or decision.resumable:
            return decision
        own = self._terms[job.terms].deadline
        if own is not None:
            began = self._first.setdefault(job.id, now - decision.outcome.usage.wall)
            if now + decision.delay >= began + own:
                return _denied(decision, f"no time is left of its {own:g} s for another attempt")
        if self.over and not self.is_last(job.id):
            return _denied(decision, "no further attempt: " + self.why_over)
        if decision.outcome.failure is FailureClass.WORKER_LOST or self._rules.retry_budget is None:
            return decision
        if self._retries >= self._rules.retry_budget:
            return _denied(decision, f"the batch's {self._rules.retry_budget} further attempts are used up")
        self._retries += 1
        return decision

    def failure(self, job: int, state: State) -> Move | None:
        """What the end of a job means for the others."""
        if self.over or state in _NO_FAILURES or self.is_last(job):
            return None
        return self._policy()

    def _policy(self) -> Move | None:
        return {"stop": Move.STOP, "pause": Move.PAUSE}.get(self._rules.on_failure)

    def end(self, why: str, *, overdue: bool = False) -> None:
        """Note that nothing more is to start, and why."""
        self.over, self.why_over = True, why
        self.overdue = self.overdue or overdue
        if overdue:
            self.deadline_at = None

    def cut_short(self) -> None:
        """The batch was interrupted: only the last jobs are left, which no deadline of the batch bounds."""
        self.end("the batch was interrupted")
        self.deadline_at = None

    # -- time

    def look(self, now: float, *, busy: bool) -> Move | None:
        """What is due. `busy`: some job runs, or waits for another attempt."""
        if self.deadline_at is not None and now >= self.deadline_at:
            return Move.EXPIRE
        if busy or self._due or not self._waits_at_barrier():
            self._progress_at = now
        elif now >= self._progress_at + self._timeout:
            self._progress_at = now
            return self._policy() or Move.OPEN
        return None

    def _waits_at_barrier(self) -> bool:
        return len(self.closed) > 1 and not self.over

    def next_moment(self) -> float | None:
        """When something is due (monotonic seconds), as far as is known."""
        moments = list(self._due.values())
        if self.deadline_at is not None:
            moments.append(self.deadline_at)
        if self._waits_at_barrier():
            moments.append(self._progress_at + self._timeout)
        return min(moments, default=None)

    # -- barriers

    def reach(self, barrier: int, now: float) -> None:
        """All jobs of a phase have ended."""
        useless = self.over or barrier in self.closed[-1:]
        self._due[barrier] = now if useless else now + self._delay

    def take_due(self, now: float) -> list[int]:
        """Barriers that are to be opened now."""
        due = [barrier for barrier, at in self._due.items() if now >= at]
        for barrier in due:
            del self._due[barrier]
            if barrier in self.closed:
                self.closed.remove(barrier)
        return due

    def force(self) -> int:
        """The barrier that is opened although something before it has not ended."""
        return self.closed.pop(0)

    def name_of(self, group: int) -> str:
        """What a group is called."""
        return self._rules.groups[seq_of(group) - GROUP_BASE].name


def _denied(decision: Decision, why: str) -> Decision:
    outcome = decision.outcome
    told = f"{outcome.detail}; {why}" if outcome.detail else why
    return Decision(msgspec.structs.replace(outcome, detail=told), final=True)


def without_rest(
    needs: Sequence[tuple[int, int, str]], states: dict[int, State], last: Sequence[int]
) -> tuple[list[tuple[int, int, str]], dict[int, State]]:
    """The dependencies of a batch's last jobs, the rest of which was interrupted, and how everything else ended.

    A group has succeeded when all of its members have; what has not ended counts as interrupted.
    """
    wanted = set(last)
    rows = [row for row in needs if row[0] in wanted]
    members: dict[int, list[int]] = {}
    for group, job, condition in needs:
        if condition == MEMBER:
            members.setdefault(group, []).append(job)
    known = {job: state for job, state in states.items() if job not in wanted}
    for _, needed, _ in rows:
        if needed in members:
            ends = [states.get(job) for job in members[needed]]
            done = all(state is State.SUCCEEDED for state in ends)
            known[needed] = State.SUCCEEDED if done else State.FAILED if None not in ends else State.INTERRUPTED
        elif needed not in wanted:
            known.setdefault(needed, State.INTERRUPTED)
    return rows, known
