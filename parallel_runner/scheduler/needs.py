"""Which jobs wait for which: a graph that is told of ends and answers what may go, and what never will. Pure.

A group is a node like a job: it ends with the last of its members, and has succeeded when all of them have. A group
that is a barrier does not end by itself: it is only told that its members have, and is opened from outside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from parallel_runner.ids import is_group
from parallel_runner.model.lifecycle import State, satisfies

MEMBER = "member"
"""In place of a condition: the job belongs to the group that `waits` for it."""


class Freed(NamedTuple):
    """What an end means for the jobs that waited for it."""

    ready: list[int]
    skipped: list[tuple[int, int]]
    """(job, the needed job or group that ended the wrong way)."""
    reached: list[int]
    """Barriers all of whose members have ended."""


class Needs:
    """The open dependencies of one batch."""

    def __init__(
        self,
        needs: Iterable[tuple[int, int, str]],
        ended: Mapping[int, State],
        barriers: Collection[int] = (),
    ) -> None:
        """Take (job or group, needed, condition), how the jobs ended that have, and which groups are barriers."""
        self._waits: dict[int, int] = {}
        self._dependents: dict[int, list[tuple[int, str]]] = {}
        self._hopeless: dict[int, int] = {}
        self._bad: set[int] = set()
        """Groups with a member that did not succeed."""
        self._barriers = frozenset(barriers)
        for job, needed, condition in needs:
            if job in ended:
                continue
            self._waits[job] = self._waits.get(job, 0) + 1
            self._dependents.setdefault(needed, []).append((job, condition))
        known = Freed([], [], [])
        for job, state in ended.items():
            self._tell(job, state, known)
        self._hopeless.update(known.skipped)
        self.reached = known.reached
        """Barriers all of whose members had ended at the start."""

    def hopeless(self) -> Mapping[int, int]:
        """Jobs that can never run, by the needed job that ended the wrong way, as of the start."""
        return self._hopeless

    def waits(self, job: int) -> bool:
        """Whether a job still waits for another."""
        return job in self._waits

    def ended(self, job: int, state: State) -> Freed:
        """Tell that a job has ended for good. Skipped jobs must be told in turn by the caller."""
        freed = Freed([], [], [])
        self._tell(job, state, freed)
        return freed

    def open(self, barrier: int) -> Freed:
        """Let past a barrier what waits for it, whether or not all before it has ended."""
        freed = Freed([], [], [])
        self._waits.pop(barrier, None)
        self._tell(barrier, self._state_of(barrier), freed)
        return freed

    def enter(self, jobs: Iterable[int], groups: Iterable[int]) -> None:
        """Let new jobs belong to groups that have not ended."""
        edges = [(group, MEMBER) for group in groups if group in self._waits]
        for job in jobs:
            for group, _ in edges:
                self._waits[group] += 1
            if edges:
                self._dependents[job] = list(edges)

    def _state_of(self, group: int) -> State:
        return State.FAILED if group in self._bad else State.SUCCEEDED

    def _tell(self, ident: int, state: State, freed: Freed) -> None:
        ends = [(ident, state)]
        while ends:
            ident, state = ends.pop()
            for dependent, condition in self._dependents.pop(ident, ()):
                left = self._waits.get(dependent)
                if left is None:
                    continue
                if condition == MEMBER:
                    if state is not State.SUCCEEDED:
                        self._bad.add(dependent)
                elif not satisfies(condition, state):
                    del self._waits[dependent]
                    freed.skipped.append((dependent, ident))
                    continue
                if left > 1:
                    self._waits[dependent] = left - 1
                    continue
                del self._waits[dependent]
                if not is_group(dependent):
                    freed.ready.append(dependent)
                elif dependent in self._barriers:
                    freed.reached.append(dependent)
                else:
                    ends.append((dependent, self._state_of(dependent)))
