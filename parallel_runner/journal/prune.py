"""Removing old history, in steps so small that nobody who writes is kept waiting.

The batch's row goes first: then nobody can resume it, and what a killed prune leaves is found by its missing row.
Batch numbers are never used again. Segment files go last, once no outcome refers to them.

Where the disk is full too: to remove rows takes room in the write-ahead log, so where little is left the log is
moved into the database after each step, and is written from its start again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from parallel_runner.errors import DiskFullError, JournalBusyError
from parallel_runner.ids import attempt_id, batch_of, job_id, job_of
from parallel_runner.journal import disk, statements
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.rows import decode_streams, decode_terms, unpack_attempts
from parallel_runner.journal.store import Journal

STEP_SECONDS = 0.02
"""How long a step should hold the journal."""
PATIENCE = 30.0
"""Seconds of being refused by other writers after which it gives up."""
SHORT = 16 * 1024 * 1024
"""Bytes of free space under which the log must not grow."""
FRESH = 60.0
"""Seconds for which a lock file without a row may belong to somebody who is about to write one."""
_FIRST_STEP = 500
_PAGE = 1000
_SEGMENT = ".seg"
_T = TypeVar("_T")
_P = ParamSpec("_P")


@dataclass
class Pruned:
    """What was removed."""

    batches: int = 0
    rows: int = 0
    """Of jobs, outcomes and what belongs to them."""
    segments: int = 0
    locks: int = 0
    """Lock files of owners and workers that are no more."""
    environments: int = 0
    """Environments, and streams that were cut into jobs, of batches that are no more."""
    freed: int = 0
    """Bytes given back to the file system."""


@dataclass(frozen=True)
class _Table:
    next: str
    delete: str
    batch_of: Callable[[int], int]
    start_of: Callable[[int], int]
    """The lowest row number that a batch can have."""


def _first_job(batch: int) -> int:
    return job_id(batch, 0)


def _first_attempt(batch: int) -> int:
    return attempt_id(job_id(batch, 0), 0)


def _batch_of_attempt(attempt: int) -> int:
    return batch_of(job_of(attempt))


_TABLES = (
    _Table("next_job", "prune_jobs", batch_of, _first_job),
    _Table("next_need", "prune_needs", batch_of, _first_job),
    _Table("next_requeue", "prune_requeues", batch_of, _first_job),
    _Table("next_outcome", "prune_outcomes", _batch_of_attempt, _first_attempt),
)


def prune(journal: Journal, older_than_days: float, now: datetime, *, unfinished: bool = False) -> Pruned:
    """Remove batches that ended more than `older_than_days` before `now`, and files that nothing refers to.

    An open batch stays, and so does one of which a worker still holds a job. One that was interrupted and could be
    gone on with goes only where `unfinished` ones are to go as well.

    Raises:
        JournalBusyError: others wrote without a pause; what was removed so far is removed, call again.
        DiskFullError: there was no room for the smallest step.
    """
    pruned = Pruned()
    before = _size(journal)
    for batch in _old(journal, now - timedelta(days=older_than_days), unfinished):
        pruned.batches += _write(journal, "prune_batch", (batch,))
    for table in _TABLES:
        pruned.rows += _sweep(journal, table)
    _return_pages(journal)
    _checkpoint(journal)
    pruned.freed = max(0, before - _size(journal))
    segments, left = _unreferenced(journal), _left_by_batches(journal)
    pruned.segments, pruned.environments = len(segments), len(left)
    pruned.freed += sum(map(_unlink, segments + left))
    pruned.locks = _remove_locks(journal, now.timestamp() - FRESH)
    return pruned


def _size(journal: Journal) -> int:
    return os.stat(journal.layout.journal).st_size


def _old(journal: Journal, end: datetime, unfinished: bool) -> list[int]:
    held = {batch_of(job_of(attempt)) for row in journal.read("all_leases") for attempt in unpack_attempts(row[2])}
    return [row[0] for row in journal.read("old_batches", (unfinished, end.timestamp())) if row[0] not in held]


def _execute(journal: Journal, statement: str, values: tuple[int, ...]) -> int:
    with journal.transaction() as connection:
        return connection.execute(statements.get(statement), values).rowcount


def _write(journal: Journal, statement: str, values: tuple[int, ...]) -> int:
    count = _patiently(_execute, journal, statement, values)
    if _is_short(journal):
        _checkpoint(journal)
    return count


def _is_short(journal: Journal) -> bool:
    return disk.free_bytes(journal.layout.root) < SHORT


def _checkpoint(journal: Journal) -> None:
    try:
        _patiently(journal.read, "checkpoint")
    except DiskFullError:
        return  # The log stays as it is, which loses nothing; whoever writes next is told.


def _return_pages(journal: Journal) -> None:
    """Give free pages back to the file system, as far as there is room to move what stands behind them."""
    while left := journal.read("free_pages")[0][0]:
        short = _is_short(journal)
        try:
            _patiently(journal.read, "return_few_pages" if short else "return_pages")
        except DiskFullError:
            return
        if short:
            _checkpoint(journal)
        if journal.read("free_pages")[0][0] >= left:
            return  # Made without auto_vacuum: the pages are used again, but the file does not shrink.


def _patiently(action: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return action(*args, **kwargs)
        except JournalBusyError:
            if time.monotonic() > until:
                raise


def _sweep(journal: Journal, table: _Table) -> int:
    """Delete the rows of a table whose batch is gone."""
    removed = 0
    place = 0
    while rows := journal.read(table.next, (place,)):
        batch = table.batch_of(rows[0][0])
        place = table.start_of(batch + 1)
        # Asked after the row was seen: a batch's own row is there before its jobs.
        if not journal.read("read_batch", (batch,)):
            removed += _delete(journal, table.delete, table.start_of(batch), place)
    return removed


def _delete(journal: Journal, statement: str, start: int, end: int) -> int:
    removed = 0
    step = _FIRST_STEP
    while True:
        began = time.monotonic()
        try:
            count = _write(journal, statement, (start, end, step))
        except DiskFullError:
            if step == 1:
                raise
            _checkpoint(journal)
            step = max(1, step // 8)
            continue
        if not count:
            return removed
        removed += count
        step = next_step(step, time.monotonic() - began)


def next_step(step: int, seconds: float) -> int:
    """How many rows to remove next, when `step` of them took so long. 50 to 20,000."""
    if seconds > STEP_SECONDS:
        return max(50, step // 2)
    return min(20_000, step * 2) if seconds < STEP_SECONDS / 3 else step


def _unreferenced(journal: Journal) -> list[str]:
    layout = journal.layout
    # In this order: a worker that is gone, and whose spool is gone, has all its outcomes in the journal by now.
    names = {
        name
        for name in os.listdir(layout.outputs)
        if name.endswith(_SEGMENT) and not _may_speak(layout, name[: -len(_SEGMENT)])
    }
    for used in _referenced(journal) if names else ():
        names.discard(used)
    return [layout.segment(name) for name in sorted(names)]


def _may_speak(layout: StateLayout, worker: str) -> bool:
    return is_held(layout.worker_lock(worker)) or os.path.exists(layout.spool(worker))


def _referenced(journal: Journal) -> Iterator[str]:
    after = 0
    while rows := journal.read("long_outputs", (after, _PAGE)):
        for _, streams in rows:
            for output in decode_streams(streams):
                yield from (extent.segment for extent in output.extents)
        after = rows[-1][0]


def _left_by_batches(journal: Journal) -> list[str]:
    """Environments and streams that no batch names, and whose maker cannot be about to make one."""
    layout = journal.layout
    # In this order: an owner that is dead by now has no batch that is not in the journal.
    paths = {
        f"{folder}/{name}"
        for folder in (layout.environments, layout.inputs)
        for name in os.listdir(folder)
        if not is_held(layout.owner_lock(_stem(name)))
    }
    if paths:
        named = {_stem(terms.environment) for row in journal.read("all_terms") for terms in decode_terms(row[0])}
        paths = {path for path in paths if _stem(os.path.basename(path)) not in named}
    return sorted(paths)


def _stem(name: str) -> str:
    """The owner that made a file, whose name begins with its token."""
    return name.partition(".")[0]


def _remove_locks(journal: Journal, before: float) -> int:
    """Unlink lock files that nobody holds, older than `before` (seconds since the epoch)."""
    layout = journal.layout
    owners = {row[0] for row in journal.read("all_owners")}
    leased = {row[0] for row in journal.read("all_leases")}
    removed = 0
    for folder, known, path_of in (("owners", owners, layout.owner_lock), ("workers", leased, layout.worker_lock)):
        for name in os.listdir(f"{layout.root}/{folder}"):
            token = name.partition(".")[0]
            path = path_of(token)
            if token in known or os.path.exists(layout.spool(token)) or not _is_old(path, before):
                continue
            if not is_held(path):
                _unlink(path)
                removed += 1
    return removed


def _unlink(path: str) -> int:
    """Remove a file; returns its size, 0 when another prune was faster."""
    try:
        size = os.stat(path).st_size
        os.unlink(path)
    except FileNotFoundError:
        return 0
    return size


def _is_old(path: str, before: float) -> bool:
    try:
        return os.stat(path).st_mtime < before
    except FileNotFoundError:
        return False
