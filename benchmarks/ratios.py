"""What is made of clocked pairs: ratios, their spread, and rates. Nothing here touches the machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.records import Pair, Sample


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median and what it was taken from."""

    median: float
    low: float
    high: float
    count: int

    def scaled(self, factor: float) -> Spread:
        """The same in another unit."""
        return Spread(median=self.median * factor, low=self.low * factor, high=self.high * factor, count=self.count)


def spread(values: Sequence[float]) -> Spread:
    """Median, least and greatest.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to take a median of")
    return Spread(median=statistics.median(values), low=min(values), high=max(values), count=len(values))


def ratio_spread(pairs: Sequence[Pair]) -> Spread:
    """Our rate over the peer's, pair by pair: above 1 we are faster."""
    return spread([pair.peer / pair.ours for pair in pairs])


def rate_spread(jobs: int, seconds: Sequence[float]) -> Spread:
    """Jobs per second."""
    return spread([jobs / taken for taken in seconds])


def turns(rounds: int, contests: int) -> Iterator[tuple[int, int, bool]]:
    """Who runs when: (round, contest, whether we go first).

    Each round has one pair of every contest, so a drift of the machine meets all of them alike; who goes first
    alternates from round to round, so what the first leaves behind for the second evens out.
    """
    for number in range(rounds):
        for contest in range(contests):
            yield number, contest, (number + contest) % 2 == 0


def cpu_per_job(totals: Sequence[float], start_up: float, jobs: int) -> Spread:
    """CPU seconds per job that the supervisor itself used, less what its start-up takes anyway.

    Args:
        totals: CPU seconds of whole runs.
        start_up: CPU seconds of a run of one job; 0 to leave it in.
        jobs: how many jobs each run had.
    """
    return spread([max(0.0, total - start_up) / jobs for total in totals])


def slice_rates(samples: Sequence[Sample], total: int, slices: int = 10) -> list[float]:
    """Jobs per second in each of `slices` equal parts of `total` jobs, by linear interpolation of the samples.

    The first part starts where the first job was seen done, so that start-up and reading of input are in none.

    Raises:
        ValueError: the samples do not reach `total`, or show nothing between the first and the last job.
    """
    seen = [sample for sample in samples if sample.done > 0]
    if len(seen) < 2 or seen[-1].done < total:
        last = seen[-1].done if seen else 0
        raise ValueError(f"samples reach {last} of {total} jobs; nothing can be said about the rate's course")
    edges = [seen[0].done + (total - seen[0].done) * part // slices for part in range(slices + 1)]
    moments = [_moment(seen, edge) for edge in edges]
    rates = []
    for part in range(slices):
        taken = moments[part + 1] - moments[part]
        if taken <= 0:
            raise ValueError(f"samples are too far apart for {slices} parts; take them more often")
        rates.append((edges[part + 1] - edges[part]) / taken)
    return rates


def _moment(samples: Sequence[Sample], done: int) -> float:
    """When that many jobs were done, seconds from the start."""
    before = samples[0]
    for sample in samples:
        if sample.done >= done:
            if sample.done == before.done:
                return sample.at
            share = (done - before.done) / (sample.done - before.done)
            return before.at + share * (sample.at - before.at)
        before = sample
    return samples[-1].at
