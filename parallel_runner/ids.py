"""Identifiers: numbers inside, short names outside.

A batch has a row number. A job is its batch and its place in it; an attempt is its job and a count. All three are
one integer each, so that no table maps between them and the journal's rows stay in the order of submission:

    attempt = batch << 40 | seq << 8 | number         seq: 1 to 2^32-1, number: 1 to 255
    job     = attempt >> 8
    batch   = job >> 32

A group of jobs, which others may wait for as for one job, has the id of a job at a place that no job reaches:
GROUP_BASE and up. It stands in the table of dependencies only.

People see `b17`, `b17.3` and `b17.3.1`. The end of a job that was never executed (skipped, cancelled while queued)
takes the next number as well.
"""

from __future__ import annotations

import os
import re

MAX_SEQ = (1 << 32) - 1
MAX_ATTEMPTS = 255
GROUP_BASE = 1 << 31
"""The place of the first group of a batch; places below are jobs'."""

_NAME = re.compile(r"b?(\d{1,7})(?:\.(\d{1,10}))?(?:\.(\d{1,3}))?\Z")


def job_id(batch: int, seq: int) -> int:
    """The job at place `seq` (1-based) of a batch."""
    return batch << 32 | seq


def attempt_id(job: int, number: int) -> int:
    """The `number`-th attempt of a job."""
    return job << 8 | number


def job_of(attempt: int) -> int:
    """The job that an attempt belongs to."""
    return attempt >> 8


def number_of(attempt: int) -> int:
    """Which attempt of its job this is, from 1."""
    return attempt & 0xFF


def batch_of(job: int) -> int:
    """The batch that a job belongs to."""
    return job >> 32


def is_group(job: int) -> bool:
    """Whether an id is a group's, and no job's."""
    return job & MAX_SEQ >= GROUP_BASE


def seq_of(job: int) -> int:
    """The place of a job in its batch, from 1."""
    return job & MAX_SEQ


def batch_name(batch: int) -> str:
    """A batch as people see it: `b17`."""
    return f"b{batch}"


def job_name(job: int) -> str:
    """A job as people see it: `b17.3`."""
    return f"b{batch_of(job)}.{seq_of(job)}"


def attempt_name(attempt: int) -> str:
    """An attempt as people see it: `b17.3.1`."""
    return f"{job_name(job_of(attempt))}.{number_of(attempt)}"


def parse_name(text: str) -> tuple[int, int | None, int | None] | None:
    """Read `b17`, `b17.3` or `b17.3.1`: (batch, seq, number), or None when it is no such name."""
    match = _NAME.match(text)
    if match is None:
        return None
    batch, seq, number = match.groups()
    return int(batch), int(seq) if seq else None, int(number) if number else None


def new_token() -> str:
    """A random name for an owner or a worker incarnation: 12 hexadecimal digits."""
    return os.urandom(6).hex()
