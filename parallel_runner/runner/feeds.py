"""Where the jobs of a running batch come from: input that is still being read, or the journal."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, runtime_checkable

from parallel_runner.errors import InputUnreadableError
from parallel_runner.ids import batch_of, job_id, job_of, seq_of
from parallel_runner.journal.recovery import Orphan
from parallel_runner.journal.store import Journal
from parallel_runner.model.job import Job, JobSpec
from parallel_runner.reactor import READ, Reactor
from parallel_runner.workflows.job_maker import SpecSource
from parallel_runner.workflows.sources import without_nul

_CHUNK = 64 * 1024
_PAGE = 2000
_STREAM_AHEAD = 64
"""Pieces of a stream that are kept for jobs ahead of the workers."""


@runtime_checkable
class StreamSource(Protocol):
    """Makes jobs of the bytes of an input."""

    def feed(self, chunk: bytes) -> list[JobSpec]:
        """The jobs that some more bytes complete."""
        ...

    def end(self) -> list[JobSpec]:
        """The jobs that the end of the input completes."""
        ...


Make = SpecSource | StreamSource


class Feed(Protocol):
    """A source of jobs that are in the journal, or gathered for it."""

    @property
    def done(self) -> bool:
        """Nothing more will come."""
        ...

    @property
    def whole(self) -> bool:
        """Once it is done: the batch has all the jobs that it was to have."""
        ...

    @property
    def all_known(self) -> bool:
        """How many jobs there are will not change any more."""
        ...

    @property
    def wakes(self) -> bool:
        """Whether the loop is woken up when there is more; else it must be asked again at once."""
        ...

    @property
    def most_ahead(self) -> int:
        """Jobs that may be in memory ahead of the workers."""
        ...

    def grow(self, count: int) -> None:
        """There are more jobs than there were."""
        ...

    def known(self, ended: int) -> int:
        """Jobs of this run that are known by now, the `ended` ones included."""
        ...

    def pull(self) -> list[Job]:
        """Some more jobs; empty when none is there now. Called only while there is room for more."""
        ...

    def pause(self) -> None:
        """There is no room now: do not wake the loop."""
        ...

    def stop(self) -> None:
        """No more is wanted."""
        ...


class _Numbering:
    """Gives new jobs their places."""

    def __init__(self, journal: Journal, batch: int) -> None:
        self._journal = journal
        self._batch = batch
        self._next = 1

    def submit(self, specs: list[JobSpec]) -> list[Job]:
        first = self._next
        self._journal.add_jobs(self._batch, first, specs)
        self._next += len(specs)
        base = job_id(self._batch, first)
        return [Job(base + i, spec.terms, spec.payload, 0, spec.name) for i, spec in enumerate(specs)]

    @property
    def count(self) -> int:
        return self._next - 1

    def finish(self) -> None:
        self._journal.finish_input(self._batch)


class ListFeed:
    """Jobs from an iterable that never waits: arguments of the command line, a batch file."""

    def __init__(self, journal: Journal, batch: int, specs: Iterable[JobSpec]) -> None:
        self._numbering = _Numbering(journal, batch)
        self._specs: Iterator[JobSpec] = iter(specs)
        self.done = False

    def pull(self) -> list[Job]:
        """The next jobs."""
        specs = list(islice(self._specs, _PAGE))
        if len(specs) < _PAGE:
            self._numbering.finish()
            self.done = True
        return self._numbering.submit(specs)

    wakes = False
    most_ahead = 1 << 30

    def grow(self, count: int) -> None:
        """Never: only a batch that is all in the journal grows by itself."""

    whole = True

    @property
    def all_known(self) -> bool:
        """Whether the input was read to its end."""
        return self.done

    def known(self, ended: int) -> int:
        """Jobs that were read."""
        return self._numbering.count

    def pause(self) -> None:
        """Nothing to do: it never wakes the loop."""

    def stop(self) -> None:
        """Leave the rest unread."""
        self.done = True


class InputFeed:
    """Jobs from a descriptor, as it is read: from its records, or from its bytes where blocks are cut of them.

    Never O_NONBLOCK, which would be set on everybody's stdin: it is read once poll says that something is there.
    """

    def __init__(
        self,
        journal: Journal,
        batch: int,
        reactor: Reactor,
        source: tuple[int, bytes | None],
        make: Make,
        begun: bytes = b"",
    ) -> None:
        """Read from `source` (descriptor, what ends records, or None); `make` turns what is read into jobs.

        `begun` is what was read of it before.
        """
        self._numbering = _Numbering(journal, batch)
        self._reactor = reactor
        self._fd, self._separator = source
        self._make = make
        self._rest = b""
        self._chunks: list[bytes] = [begun] if begun else []
        self._ended = False
        self._watched = False
        self._pollable = True
        self.done = False

    def pull(self) -> list[Job]:
        """Jobs of what has been read; reads on."""
        self._arm()
        if not self._pollable and not self._ended:
            self._read()
        if not self._chunks and not self._ended:
            return []
        data = b"".join(self._chunks)
        self._chunks.clear()
        specs = self._specs(data)
        if self._ended:
            specs += self._make.end()
            self.done = True
        jobs = self._numbering.submit(specs)
        if self.done:
            self._numbering.finish()
        return jobs

    def _specs(self, data: bytes) -> list[JobSpec]:
        if isinstance(self._make, StreamSource):
            return self._make.feed(data)
        separator = self._separator or b"\n"
        records = (self._rest + without_nul(data, separator)).split(separator)
        self._rest = records.pop()
        if self._ended and self._rest:
            records.append(self._rest)
            self._rest = b""
        return self._make.records(records)

    def _arm(self) -> None:
        if self._watched or self._ended or not self._pollable:
            return
        try:
            self._reactor.watch(self._fd, READ, lambda _: self._read())
            self._watched = True
        except PermissionError:
            self._pollable = False  # A regular file: always ready, and epoll will not have it.

    def _read(self) -> None:
        try:
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno == errno.EIO:
                chunk = b""  # The terminal is gone.
            else:
                raise InputUnreadableError(f"the input cannot be read: {error.strerror}") from error
        if chunk:
            self._chunks.append(chunk)
        else:
            self._ended = True
            self.pause()

    @property
    def wakes(self) -> bool:
        """Whether the loop is woken up: not by a regular file, which is always ready."""
        return self._pollable

    @property
    def most_ahead(self) -> int:
        """Few where the pieces of a stream are kept for them."""
        return _STREAM_AHEAD if isinstance(self._make, StreamSource) else 1 << 30

    def grow(self, count: int) -> None:
        """Never: only a batch that is all in the journal grows by itself."""

    whole = True

    @property
    def all_known(self) -> bool:
        """Whether the input was read to its end."""
        return self.done

    def known(self, ended: int) -> int:
        """Jobs that were read."""
        return self._numbering.count

    def pause(self) -> None:
        """Stop reading; the writer waits at a full pipe."""
        if self._watched:
            self._reactor.unwatch(self._fd)
            self._watched = False

    def stop(self) -> None:
        """Leave the rest unread."""
        self.pause()
        self.done = self._ended = True


class JournalFeed:
    """The jobs of a batch that have not ended, paged from the journal; those of live orphans come last or never."""

    def __init__(self, journal: Journal, batch: int, *, whole: bool = True) -> None:
        """Take the open jobs of a batch; `whole`: its input was read to the end."""
        self._journal = journal
        self._batch = batch
        self.whole = whole
        self._after = 0
        self._known: int | None = None
        self.read_all = False
        """Every job that was pending at the start has been handed out, or is in an orphan's hands."""
        self._excluded: set[int] = set()
        self._handed_back: list[int] = []
        self._ended: list[int] = []

    wakes = False
    most_ahead = 1 << 30

    @property
    def done(self) -> bool:
        """All was read, and no orphan holds a job."""
        return self.read_all and not (self._excluded or self._handed_back or self._ended)

    def exclude(self, orphans: Iterable[Orphan]) -> None:
        """Jobs that live orphans may hold now; those of before that are not among them are looked at again."""
        held = {job_of(attempt) for orphan in orphans for attempt in orphan.attempts}
        mine = {job for job in held if batch_of(job) == self._batch}
        self._handed_back += sorted(self._excluded - mine)
        self._excluded = mine

    @property
    def waits_for_orphans(self) -> bool:
        """Whether some job is still in an orphan's hands."""
        return bool(self._excluded)

    def pull(self) -> list[Job]:
        """The next page."""
        jobs = []
        for job in self._handed_back:
            pending = [found for found in self._pending(seq_of(job) - 1, 1) if found.id == job]
            jobs += pending
            if not pending:
                self._ended.append(job)
        self._handed_back.clear()
        if not self.read_all:
            page = self._pending(self._after, _PAGE)
            self.read_all = len(page) < _PAGE
            if page:
                self._after = seq_of(page[-1].id)
            jobs += [job for job in page if job.id not in self._excluded]
        return jobs

    def take_ended(self) -> list[int]:
        """Jobs that orphans held and that have ended for good since."""
        ended, self._ended = self._ended, []
        return ended

    def _pending(self, after: int, limit: int) -> list[Job]:
        return self._journal.pending_jobs(self._batch, after, limit)

    @property
    def all_known(self) -> bool:
        """Always: they are in the journal."""
        return True

    def known(self, ended: int) -> int:
        """Jobs that had not ended when this was first asked, and those that had ended in this run by then."""
        if self._known is None:
            self._known = self._journal.count_pending(self._batch) + ended
        return self._known

    def grow(self, count: int) -> None:
        """There are more jobs than there were."""
        if self._known is not None:
            self._known += count

    def pause(self) -> None:
        """Nothing to do: it never wakes the loop."""

    def stop(self) -> None:
        """No more."""
        self.read_all = True
        self._excluded.clear()
        self._handed_back.clear()
