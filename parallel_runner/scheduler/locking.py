"""Which of the jobs that need locks may have them next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice

from parallel_runner.model.job import Job

_LOOKED_AT = 1000


def next_for_locks(
    waiting: Iterable[Job], names_of: Callable[[Job], Collection[str]], held: Collection[str], most: int
) -> list[Job]:
    """At most `most` jobs whose names nobody here holds.

    Who came first has a claim on all its names: a job that needs two is not passed for ever by jobs that need one.
    """
    claimed = set(held)
    found: list[Job] = []
    for job in islice(waiting, _LOOKED_AT):
        if len(found) >= most:
            break
        names = names_of(job)
        if claimed.isdisjoint(names):
            found.append(job)
        claimed.update(names)
    return found
