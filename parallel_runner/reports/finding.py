"""Finding the batch or job that a user names."""

from __future__ import annotations

import re

from parallel_runner.errors import UsageError
from parallel_runner.ids import MAX_SEQ, job_id, job_name, parse_name
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import Journal

_PLACE = re.compile(r"[0-9]{1,10}\Z")
_ATTEMPT = re.compile(r"[0-9]{1,3}\Z")


def find_batch(journal: Journal, name: str | None) -> BatchRow:
    """The batch called `b17` or `17`; without a name the latest one.

    Raises:
        UsageError: that is no batch's name, or there is none at all.
        StateError: there is no such batch.
    """
    if name is None:
        rows = journal.batches(1)
        if not rows:
            raise UsageError("nothing has been run with this home yet")
        return rows[0]
    parsed = parse_name(name)
    if parsed is None or parsed[1] is not None:
        raise UsageError(f"{name!r} is no batch; batches are called b1, b2, …: see `parallel-runner history`")
    return journal.batch(parsed[0])


def find_job(journal: Journal, name: str) -> tuple[BatchRow, int]:
    """The job called `b17.build` by the id that its batch file gave it, or `b17.3` by its place.

    Raises:
        UsageError: there is no such job.
    """
    batch, job, _ = find_attempt(journal, name)
    return batch, job


def find_attempt(journal: Journal, name: str) -> tuple[BatchRow, int, int | None]:
    """A job as `find_job` has it, and which attempt of it a further number names, if there is one.

    Raises:
        UsageError: there is no such job.
    """
    batch_part, _, rest = name.partition(".")
    batch = find_batch(journal, batch_part)
    head, _, number = rest.rpartition(".")
    # Whole names first: an id may have dots and numbers in it.
    job = _job_called(journal, batch.id, rest)
    if job is not None:
        return batch, job, None
    job = _job_called(journal, batch.id, head) if _ATTEMPT.match(number) else None
    if job is not None:
        return batch, job, int(number)
    count = journal.count_jobs(batch.id)
    last = job_name(job_id(batch.id, count)) if count else "none"
    raise UsageError(f"there is no job {name!r}; the last job of its batch is {last}")


def _job_called(journal: Journal, batch: int, text: str) -> int | None:
    """The job of that id, else the one at that place: who gave ids means them."""
    if not text.isascii():
        return None
    rows = journal.read("job_by_name", (job_id(batch, 0), job_id(batch, MAX_SEQ), text))
    if not rows and _PLACE.match(text) and int(text) <= MAX_SEQ:
        rows = journal.read("one_job", (job_id(batch, int(text)),))
    return int(rows[0][0]) if rows else None
