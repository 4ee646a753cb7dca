"""Fan-out at run time: the result is read back, the jobs are made, and all of it is committed as one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from parallel_runner.errors import ParallelRunnerError
from parallel_runner.ids import job_id, seq_of
from parallel_runner.journal.segments import read_output
from parallel_runner.journal.store import Journal
from parallel_runner.model.fan_out import FanOut, decode
from parallel_runner.model.job import Job, JobSpec
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.terms import Terms
from parallel_runner.tools import registry
from parallel_runner.workflows.entries import Lookup
from parallel_runner.workflows.fan_out import Expansion, FanOutError, expand, items_of


class Made(NamedTuple):
    """The jobs that a fan-out became, at their places."""

    first: int
    specs: list[JobSpec]
    jobs: list[Job]
    groups: Sequence[int]
    """Ids of the groups that they belong to."""
    terms: Sequence[Terms]
    """New terms of the batch."""


class Expander:
    """Makes the jobs of fan-outs of one batch."""

    def __init__(self, journal: Journal, batch: int, terms: Sequence[Terms]) -> None:
        self._journal = journal
        self._batch = batch
        self._terms = terms
        self._lookup = Lookup(registry.names(), registry.get)
        self._next: int | None = None

    def make(self, job: Job) -> Made | None:
        """The jobs of a fan-out whose source has succeeded; None: that is not on the disk yet.

        Raises:
            FanOutError: the result cannot be gone through, or a job would be none.
        """
        fan_out = decode(job.payload)
        source = job_id(self._batch, fan_out.source)
        rows = [row.outcome for row in self._journal.attempts(self._batch, source)]
        if not rows or rows[-1].state is not State.SUCCEEDED:
            return None
        try:
            items = items_of(fan_out.view, self._printed(rows[-1]), self._root(source, fan_out))
            environment = self._terms[job.terms].environment
            expansion = expand(fan_out, items, self._terms, environment, self._lookup)
        except FanOutError:
            raise
        except (ParallelRunnerError, OSError, msgspec.MsgspecError) as error:
            raise FanOutError(f"its result cannot be read: {error}") from error
        return self._placed(job, expansion)

    def _printed(self, outcome: Outcome) -> bytes:
        if outcome.out.truncated:
            raise FanOutError(
                f"its source printed {outcome.out.size} bytes, of which only the head and the tail are kept; "
                "raise its max_output"
            )
        return b"".join(read_output(self._journal.layout.outputs, outcome.out))

    def _root(self, source: int, fan_out: FanOut) -> str:
        """What the paths in a result are relative to, as the new jobs see it."""
        if fan_out.view != "files":
            return ""
        terms_index, payload = self._journal.read("one_job", (source,))[0][1:3]
        terms = self._terms[terms_index]
        known = registry.get(terms.tool)
        path = os.fsdecode(msgspec.msgpack.decode(payload, type=known.payload_type).path)  # type: ignore[attr-defined]
        where = os.fsdecode(terms.cwd)
        if terms.cwd != fan_out.base.cwd:
            path = os.path.join(where, path)
        if os.path.isfile(os.path.join(where, path)):
            # A single file, which is told by its own path.
            return "" if terms.cwd == fan_out.base.cwd else where
        return "" if path == "." else path

    def _placed(self, job: Job, expansion: Expansion) -> Made:
        groups = self._journal.groups_of(job.id)
        if self._next is None:
            self._next = self._journal.last_place(self._batch) + 1
        first = self._next
        self._next += len(expansion.jobs)
        places = tuple(map(seq_of, groups))
        specs = [msgspec.structs.replace(spec, groups=places) for spec in expansion.jobs]
        base = job_id(self._batch, first)
        jobs = [Job(base + i, spec.terms, spec.payload, 0, spec.name) for i, spec in enumerate(specs)]
        return Made(first, specs, jobs, groups, expansion.terms)
