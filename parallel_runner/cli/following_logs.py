"""`logs --follow` of one job: what is written, as it is written, until the job has ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from parallel_runner.cli.reading import put, wait_a_little
from parallel_runner.ids import attempt_name, job_name, job_of
from parallel_runner.journal.rows import BatchRow
from parallel_runner.journal.segments import read_output
from parallel_runner.journal.store import AttemptRow, Journal
from parallel_runner.model.outcome import Output
from parallel_runner.reports import lines
from parallel_runner.reports.following import is_run
from parallel_runner.reports.live import LOOK, Following
from parallel_runner.reports.workers import LiveWorker, holder_of

Choose = Callable[[Iterable[bytes]], Iterator[bytes]]
"""Those of some lines that are wanted."""


class _Streams:
    """Where the two streams of a job go, as they are or line by line."""

    def __init__(self, only: str | None, choose: Choose | None) -> None:
        self._targets = {
            1: None if only == "err" else sys.stdout.buffer,
            2: None if only == "out" else (sys.stdout if only else sys.stderr).buffer,
        }
        self._choose = choose
        self._lines = {1: lines.Lines(), 2: lines.Lines()}

    def put(self, stream: int, data: bytes) -> None:
        """Write what came."""
        target = self._targets[stream]
        if target is not None:
            self._write(stream, self._lines[stream].feed(data) if self._choose else [data])

    def finish(self) -> None:
        """Write last lines that have no end."""
        for stream, rest in self._lines.items():
            self._write(stream, rest.finish())

    def _write(self, stream: int, pieces: Iterable[bytes]) -> None:
        target = self._targets[stream]
        if target is not None:
            put(target, self._choose(pieces) if self._choose else pieces)
            target.flush()


def follow_job(journal: Journal, batch: BatchRow, job: int, only: str | None, choose: Choose | None) -> None:
    """Print what a job writes, from the attempt in hand on, until no attempt follows.

    Of a job that has ended, the last attempt is shown. When nobody runs it, that is said, and it is not waited for.
    """
    streams = _Streams(only, choose)
    waiting = journal.is_pending(job)
    ended = [row.outcome.attempt for row in journal.attempts(batch.id, job)]
    known = max(ended if waiting else ended[:-1], default=0)
    """The last attempt that was shown, or that had ended before."""
    followed: dict[int, Following] = {}
    while True:
        # Asked before the attempts are read: what ends in between is seen by that.
        pending, going_on, live = journal.is_pending(job), is_run(journal, batch.id), _in_hand(journal, job)
        for row in journal.attempts_between(max(known, (job << 8) - 1), (job + 1) << 8):
            known = row.outcome.attempt
            _rest(journal, row, followed.pop(known, None), streams)
        if not pending:
            return
        if live is not None and live.attempt > known and live.attempt not in followed:
            followed = {live.attempt: _follow(journal, live, streams)}
            continue
        if not going_on and live is None:
            _say(f"nobody runs {job_name(job)} now; see `parallel-runner why {job_name(job)}`")
            return
        wait_a_little(LOOK)


def _in_hand(journal: Journal, job: int) -> LiveWorker | None:
    """The worker that has the job in hand."""
    live = holder_of(journal, job)
    return live if live is not None and job_of(live.attempt) == job else None


def _follow(journal: Journal, live: LiveWorker, streams: _Streams) -> Following:
    """Show what an attempt writes while it runs."""
    following = Following(journal.layout, live)
    for stream, data in following.pieces():
        if stream:
            streams.put(stream, data)
        else:
            wait_a_little(0)
    return following


def _rest(journal: Journal, row: AttemptRow, following: Following | None, streams: _Streams) -> None:
    """Show what of an attempt that has ended was not shown while it ran."""
    name = attempt_name(row.outcome.attempt)
    for stream, output in ((1, row.outcome.out), (2, row.outcome.err)):
        shown = following.shown[stream] if following else 0
        left = output.size - shown
        if left and following and (following.missed[stream] or output.truncated):
            _say(f"{left} bytes of {'stdout' if stream == 1 else 'stderr'} of {name} were not shown here")
        elif left:
            for data in _from(journal, output, shown):
                streams.put(stream, data)
    streams.finish()
    if not row.final:
        _say(f"{name}: {row.outcome.state.value}; what its next attempt writes follows")


def _from(journal: Journal, output: Output, offset: int) -> Iterator[bytes]:
    for data in read_output(journal.layout.outputs, output):
        if offset < len(data):
            yield data[offset:]
        offset = max(0, offset - len(data))


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"parallel-runner: {text}\n")
    sys.stderr.flush()
