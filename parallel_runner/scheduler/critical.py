"""What a rehearsed batch comes to: the chain that more slots do not make shorter, and the peak of memory. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from parallel_runner.model.job import JobSpec
from parallel_runner.scheduler.rehearsal import Start


class Chain(NamedTuple):
    """Jobs each of which waits for the one before."""

    length: float
    """Seconds; waits at barriers are not in it."""
    places: tuple[int, ...]


def critical_path(starts: Sequence[Start], jobs: Sequence[JobSpec]) -> Chain:
    """The longest chain of jobs that wait for each other.

    Args:
        starts: in their order, so that what a job needs stands before it.
        jobs: by index; the job at index i has place i + 1.
    """
    ends: dict[int, tuple[float, int]] = {}
    """By place or group: when it ends on its longest chain, and the job that this is by."""
    before: dict[int, int] = {}
    last = (0.0, 0)
    for start in starts:
        spec = jobs[start.place - 1]
        # What waited for a job that was skipped did not wait for long.
        begin, by = max((ends[need.job] for need in spec.needs if need.job in ends), default=(0.0, 0))
        end = (begin + start.end - start.at, start.place)
        before[start.place] = by
        for ident in (start.place, *spec.groups):
            ends[ident] = max(end, ends.get(ident, end))
        last = max(last, end)
    chain = []
    place = last[1]
    while place:
        chain.append(place)
        place = before[place]
    return Chain(last[0], tuple(reversed(chain)))


def peak(starts: Sequence[Start], memory: Mapping[int, int]) -> int:
    """Bytes at the moment at which the jobs that run need the most together.

    Args:
        starts: of the batch.
        memory: bytes that a job needs, by place; those of others are not known and not counted.
    """
    changes = [(start.at, memory[start.place]) for start in starts if start.place in memory]
    changes += [(start.end, -memory[start.place]) for start in starts if start.place in memory]
    most = now = 0
    # What ends at a moment is gone before what starts then.
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most
