"""Resume with the input given again: which line is which job of the batch, by content."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from parallel_runner.ids import MAX_SEQ, job_id, seq_of
from parallel_runner.journal import statements
from parallel_runner.journal.store import Journal
from parallel_runner.model.job import Job

_PAGE = 1000


class Match(NamedTuple):
    """The job that a line of input stands for."""

    id: int
    job: Job | None
    """What is to be run; None: it has ended for good."""


class Matcher:
    """Pairs the n-th line of a key with the n-th job of that key.

    The keys stand in a temporary table on disk; 4 bytes a job are held in memory. One at a time per journal. Jobs
    that are submitted after it was made take no part. Leases of workers that outlived their supervisor are not
    known here: leave out what the recovery told.
    """

    def __init__(self, journal: Journal, batch: int) -> None:
        self._journal = journal
        self._batch = batch
        bounds = (job_id(batch, 0), job_id(batch, MAX_SEQ))
        with journal.deferred() as connection:
            connection.execute(statements.get("end_matching"))
            connection.execute(statements.get("begin_matching"))
            connection.execute(statements.get("fill_matching"), bounds)
            last = connection.execute(statements.get("last_job"), bounds).fetchone()[0]
        # The place of the last job of a key that a line has stood for, kept at the place of the key's first job.
        self._claimed = array("I", bytes(array("I").itemsize * (seq_of(last or 0) + 1)))

    def match(self, keys: Sequence[bytes]) -> list[Match | None]:
        """For each key, in the order of the input: the job it stands for, or None when it is a new one."""
        find, read = statements.get("match_key"), statements.get("matched_job")
        matches: list[Match | None] = []
        with self._journal.deferred() as connection:
            for key in keys:
                found = connection.execute(find, (key, 0)).fetchone()
                if found is not None:
                    first = seq_of(found[0])
                    if self._claimed[first]:
                        after = job_id(self._batch, self._claimed[first])
                        found = connection.execute(find, (key, after)).fetchone()
                if found is None:
                    matches.append(None)
                    continue
                self._claimed[first] = seq_of(found[0])
                if found[1]:
                    matches.append(Match(found[0], None))
                else:
                    ident, terms, payload, number, name = connection.execute(read, (found[0],)).fetchone()
                    matches.append(Match(ident, Job(ident, terms, payload, number or 0, name or "")))
        return matches

    def unmatched(self) -> Iterator[int]:
        """Jobs that are still to do and that no line has stood for, in no order that means anything."""
        current, claimed, job = b"", -1, 0
        while rows := self._journal.read("next_keys", (current, job, _PAGE)):
            for key, job, done in rows:
                if key != current or claimed < 0:
                    current, claimed = key, self._claimed[seq_of(job)]
                if seq_of(job) > claimed and not done:
                    yield job

    def close(self) -> None:
        """Drop the table."""
        with self._journal.deferred() as connection:
            connection.execute(statements.get("end_matching"))
