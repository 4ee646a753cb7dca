"""What jobs may take, by what jobs of the same kind took before. Reads the journal and writes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from parallel_runner.ids import batch_of, job_of
from parallel_runner.journal.rows import decode_terms
from parallel_runner.journal.store import Journal
from parallel_runner.model.signature import Signature
from parallel_runner.model.terms import Terms
from parallel_runner.tools.signatures import signature_of

LOOKED_AT = 5000
"""The latest attempts of the home that are looked at."""
LARGEST = 8 * 1024
"""Bytes of a payload that is looked at: a list of this many arguments is no kind of work."""
ENOUGH = 20
"""Samples under which an estimate is thin."""

Basis = Literal["signature", "program", "unknown"]


class Spread(NamedTuple):
    """A quantity that varies: nine in ten lie between the outer two."""

    p5: float
    p50: float
    p95: float


class Sample(NamedTuple):
    """What one attempt that succeeded took."""

    tool: str
    signature: Signature
    wall: float
    max_rss: int | None


class Estimate(NamedTuple):
    """What a job may take."""

    signature: str
    basis: Basis = "unknown"
    samples: int = 0
    wall: Spread | None = None
    """Seconds. None: nothing is known."""
    memory: Spread | None = None
    """Bytes at the peak. None: nothing is known."""

    @property
    def thin(self) -> bool:
        """Whether there is an estimate, by few samples."""
        return self.wall is not None and self.samples < ENOUGH


class Past:
    """Samples, by what they are of."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._groups: dict[tuple[str, Basis, str], list[Sample]] = {}
        for sample in samples:
            for key in _keys(sample.tool, sample.signature):
                self._groups.setdefault(key, []).append(sample)
        self._known: dict[tuple[str, str, str], Estimate] = {}

    def estimate(self, tool: str, signature: Signature) -> Estimate:
        """What a job of a kind may take: by its signature, or its program where too little is known of that."""
        cached = (tool, *signature)
        known = self._known.get(cached)
        if known is None:
            known = self._known[cached] = self._estimated(tool, signature)
        return known

    def _estimated(self, tool: str, signature: Signature) -> Estimate:
        found = [(key[1], self._groups.get(key, [])) for key in _keys(tool, signature)]
        enough = [one for one in found if len(one[1]) >= ENOUGH]
        some = [one for one in found if one[1]]
        for basis, samples in [*enough, *some][:1]:
            memory = [float(one.max_rss) for one in samples if one.max_rss is not None]
            wall = spread([one.wall for one in samples])
            return Estimate(signature.full, basis, len(samples), wall, spread(memory) if memory else None)
        return Estimate(signature.full)


def _keys(tool: str, signature: Signature) -> tuple[tuple[str, Basis, str], tuple[str, Basis, str]]:
    return (tool, "signature", signature.full), (tool, "program", signature.program)


def spread(values: Sequence[float]) -> Spread:
    """The quantiles of at least one value: each is one of the values."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(at(0.05), at(0.5), at(0.95))


def read_past(journal: Journal) -> Past:
    """What the latest attempts of a home took; outputs are not read.

    Raises:
        StateError: the journal cannot be read.
    """
    return Past(_samples(journal))


def _samples(journal: Journal) -> Iterator[Sample]:
    terms: dict[int, Sequence[Terms]] = {}
    for attempt, wall, max_rss, place, payload in journal.read("latest_usage", (LOOKED_AT, LARGEST)):
        batch = batch_of(job_of(attempt))
        if batch not in terms:
            terms[batch] = _terms(journal, batch)
        if place >= len(terms[batch]):
            continue  # Its batch was pruned meanwhile.
        tool = terms[batch][place].tool
        yield Sample(tool, signature_of(tool, payload), wall, max_rss)


def _terms(journal: Journal, batch: int) -> Sequence[Terms]:
    rows = journal.read("terms_of_batch", (batch,))
    return decode_terms(rows[0][0]) if rows else ()


def capped(estimate: Estimate, terms: Terms) -> Estimate:
    """An estimate within a job's own limits: at these it is ended."""
    limits = terms.limits
    timeout = limits.timeout if terms.deadline is None else min(terms.deadline, limits.timeout or terms.deadline)
    return estimate._replace(wall=_within(estimate.wall, timeout), memory=_within(estimate.memory, limits.memory))


def _within(known: Spread | None, most: float | None) -> Spread | None:
    return known if known is None or most is None else Spread(*(min(one, most) for one in known))
