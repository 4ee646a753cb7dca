"""Finding the batch or job that a user names."""

from __future__ import annotations

from parallel_runner.errors import UsageError
from parallel_runner.ids import MAX_SEQ, job_id, job_name, parse_name
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.store import Journal


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
    """The job called `b17.3`, or `b17.build` by the id that its batch file gave it.

    Raises:
        UsageError: there is no such job.
    """
    batch_part, _, job_part = name.partition(".")
    batch = find_batch(journal, batch_part)
    parsed = parse_name(name)
    if parsed is not None and parsed[1] is not None:
        job = job_id(batch.id, parsed[1])
        if journal.read("one_job", (job,)):
            return batch, job
    bounds = (job_id(batch.id, 0), job_id(batch.id, MAX_SEQ))
    rows = journal.read("job_by_name", (*bounds, job_part))
    if not rows:
        count = journal.count_jobs(batch.id)
        last = job_name(job_id(batch.id, count)) if count else "none"
        raise UsageError(f"there is no job {name!r}; the last job of its batch is {last}")
    return batch, int(rows[0][0])
