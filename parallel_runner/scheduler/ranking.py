"""Ready jobs in the order of their priority, those of equal priority in the order of their coming."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from parallel_runner.model.job import Job
from parallel_runner.model.terms import PRIORITIES, Terms


class Ranked:
    """What a deque of jobs does, a level for each priority. Used where some job has one of its own."""

    def __init__(self, terms: Sequence[Terms]) -> None:
        self._terms = terms
        self._levels: list[deque[Job]] = [deque() for _ in PRIORITIES]

    def __len__(self) -> int:
        return sum(map(len, self._levels))

    def __iter__(self) -> Iterator[Job]:
        for level in self._levels:
            yield from level

    def append(self, job: Job) -> None:
        """The last of its level."""
        self._level(job).append(job)

    def appendleft(self, job: Job) -> None:
        """The first of its level."""
        self._level(job).appendleft(job)

    def popleft(self) -> Job:
        """The first of the highest level that has one.

        Raises:
            IndexError: there is none.
        """
        for level in self._levels:
            if level:
                return level.popleft()
        raise IndexError("no job is ready")

    def remove(self, job: Job) -> None:
        """Take one out."""
        self._level(job).remove(job)

    def clear(self) -> None:
        """Take all out."""
        for level in self._levels:
            level.clear()

    def _level(self, job: Job) -> deque[Job]:
        return self._levels[self._terms[job.terms].priority]
