"""Which jobs wait for which: a graph that is told of ends and answers what may go, and what never will. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from parallel_runner.model.lifecycle import State


class Freed(NamedTuple):
    """What an end means for the jobs that waited for it."""

    ready: list[int]
    skipped: list[tuple[int, int]]
    """(job, the needed job that ended the wrong way)."""


def condition_holds(condition: str, state: State) -> bool:
    """Whether a needed job's end is what was waited for."""
    if condition == "finished":
        return True
    return (state is State.SUCCEEDED) == (condition == "succeeded")


class Needs:
    """The open dependencies of one batch."""

    def __init__(self, needs: Iterable[tuple[int, int, str]], ended: Mapping[int, State]) -> None:
        """Take (job, needed, condition) and how the jobs ended that have."""
        self._waits: dict[int, int] = {}
        self._dependents: dict[int, list[tuple[int, str]]] = {}
        self._hopeless: dict[int, int] = {}
        for job, needed, condition in needs:
            if job in ended:
                continue
            state = ended.get(needed)
            if state is None:
                self._waits[job] = self._waits.get(job, 0) + 1
                self._dependents.setdefault(needed, []).append((job, condition))
            elif not condition_holds(condition, state):
                self._hopeless[job] = needed

    def hopeless(self) -> Mapping[int, int]:
        """Jobs that can never run, by the needed job that ended the wrong way, as of the start."""
        return self._hopeless

    def waits(self, job: int) -> bool:
        """Whether a job still waits for another."""
        return job in self._waits

    def ended(self, job: int, state: State) -> Freed:
        """Tell that a job has ended for good. Skipped jobs must be told in turn by the caller."""
        freed = Freed([], [])
        for dependent, condition in self._dependents.pop(job, ()):
            if dependent not in self._waits:
                continue
            if not condition_holds(condition, state):
                del self._waits[dependent]
                freed.skipped.append((dependent, job))
                continue
            self._waits[dependent] -= 1
            if not self._waits[dependent]:
                del self._waits[dependent]
                freed.ready.append(dependent)
        return freed
