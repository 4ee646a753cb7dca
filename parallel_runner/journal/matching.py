"""Resume with the input given again: which line is which job of the batch, by content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from parallel_runner.ids import MAX_SEQ, job_id
from parallel_runner.journal import statements
from parallel_runner.journal.store import Journal
from parallel_runner.model.job import Job


class Match(NamedTuple):
    """What a line of input is."""

    job: Job
    done: bool
    """It has ended for good and is not to be run again."""


class Matcher:
    """Pairs the n-th line of a key with the n-th job of that key. The keys stand in a temporary table on disk.

    One at a time per journal. Jobs that are submitted after it was made take no part. Leases of workers that
    outlived their supervisor are not known here: leave out what the recovery told.
    """

    def __init__(self, journal: Journal, batch: int) -> None:
        self._journal = journal
        with journal.deferred() as connection:
            connection.execute(statements.get("end_matching"))
            connection.execute(statements.get("begin_matching"))
            connection.execute(statements.get("fill_matching"), (job_id(batch, 0), job_id(batch, MAX_SEQ)))

    def match(self, keys: Sequence[bytes]) -> list[Match | None]:
        """For each key, in the order of the input: the job it stands for, or None when it is a new one."""
        with self._journal.deferred() as connection:
            find, claim = statements.get("match_key"), statements.get("claim_key")
            read = statements.get("matched_job")
            matches: list[Match | None] = []
            for key in keys:
                found = connection.execute(find, (key,)).fetchone()
                if found is None:
                    matches.append(None)
                    continue
                connection.execute(claim, (key, found[0]))
                ident, terms, payload, number, name = connection.execute(read, (found[0],)).fetchone()
                matches.append(Match(Job(ident, terms, payload, number or 0, name or ""), bool(found[1])))
        return matches

    def unmatched(self, limit: int) -> list[int]:
        """At most `limit` jobs that are still to do and that no line stands for; each is told once."""
        with self._journal.deferred() as connection:
            rows = connection.execute(statements.get("unmatched"), (limit,)).fetchall()
            connection.executemany(statements.get("claim_key"), rows)
        return [job for _, job in rows]

    def close(self) -> None:
        """Drop the table."""
        with self._journal.deferred() as connection:
            connection.execute(statements.get("end_matching"))
