"""Outcomes on their way to the user: whole and unmixed per job, in order of ending, or of submission."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from parallel_runner.ids import job_of, seq_of
from parallel_runner.journal.segments import read_output
from parallel_runner.model.outcome import NO_OUTPUT, Outcome, Output
from parallel_runner.runner.writing import Sink

HIGH_WATER = 8 * 1024 * 1024
"""Bytes that may wait for a slow reader before nothing new is started."""
_ENOUGH = 1 << 20


class OutcomeReader(Protocol):
    """Where an outcome's inline output is read back from."""

    def outcome(self, attempt: int) -> Outcome:
        """A committed outcome."""
        ...


class Printer:
    """Prints committed outcomes. What a slow reader has not taken stays in the journal and the segments."""

    def __init__(
        self,
        sinks: tuple[Sink, Sink],
        outputs: str,
        reader: OutcomeReader,
        *,
        keep_order: bool,
        render: Callable[[Outcome], bytes] | None = None,
    ) -> None:
        """Print to `sinks` (stdout, stderr): the raw streams, or what `render` makes of each outcome, to stdout."""
        self._out, self._err = sinks
        self._outputs = outputs
        self._reader = reader
        self._keep_order = keep_order
        self._render = render
        self._next_seq = 1
        self._held: dict[int, Outcome | int | None] = {}
        self._held_bytes = 0
        self._queue: deque[Outcome | int] = deque()
        self._current: Iterator[tuple[Sink, bytes]] | None = None

    @property
    def backlog(self) -> int:
        """Bytes that wait, about."""
        return (
            self._out.waiting
            + self._err.waiting
            + sum(item.out.size + item.err.size for item in self._queue if isinstance(item, Outcome))
        )

    @property
    def busy(self) -> bool:
        """Whether something can still be written."""
        return bool(self._queue or self._current or self._out.waiting or self._err.waiting)

    def start_at(self, seq: int) -> None:
        """With order kept: the first place that is waited for."""
        self._next_seq = seq

    def add(self, outcome: Outcome, *, final: bool) -> None:
        """Print a committed outcome. With order kept, only the attempt that no other follows."""
        speaks = bool(outcome.out.size or outcome.err.size or self._render)
        if not self._keep_order:
            if speaks and not self._print_at_once(outcome):
                self._queue.append(outcome)
            return
        if not final:
            return
        seq = seq_of(job_of(outcome.attempt))
        if speaks:
            self._held_bytes += len(outcome.out.inline) + len(outcome.err.inline)
            # What waits long for its turn waits in the journal.
            self._held[seq] = outcome if self._held_bytes < HIGH_WATER else outcome.attempt
        else:
            self._held[seq] = None
        while self._next_seq in self._held:
            item = self._held.pop(self._next_seq)
            self._next_seq += 1
            if item is not None:
                self._queue.append(item)
        if not self._held:
            self._held_bytes = 0

    def _print_at_once(self, outcome: Outcome) -> bool:
        """Hand over short output right away, when nothing waits that would have to go first."""
        if self._queue or self._current or self._render or outcome.out.extents or outcome.err.extents:
            return False
        if self._out.waiting + self._err.waiting > _ENOUGH:
            return False
        self._out.write(outcome.out.inline)
        self._err.write(outcome.err.inline)
        return True

    def skip(self, seq: int) -> None:
        """With order kept: nothing comes from that place."""
        if self._keep_order and seq >= self._next_seq:
            self._held[seq] = None

    def release_all(self) -> None:
        """With order kept: what was waited for will not come; print the rest in order."""
        while self._held:
            seq = min(self._held)
            item = self._held.pop(seq)
            self._next_seq = seq + 1
            if item is not None:
                self._queue.append(item)

    def pump(self) -> None:
        """Move what there is towards the descriptors, as far as they take it."""
        more = True
        while more:
            more = self._fill()
            self._out.flush()
            self._err.flush()
            # A file takes all of it at once; a pipe keeps the rest waiting, and the loop comes back.
            more = more and not self._out.waiting and not self._err.waiting

    def _fill(self) -> bool:
        """Hand about 1 MiB to the sinks. False when there is no more."""
        while self._out.waiting + self._err.waiting < _ENOUGH:
            if self._current is None:
                if not self._queue:
                    return False
                self._current = self._pieces(self._queue.popleft())
            piece = next(self._current, None)
            if piece is None:
                self._current = None
            else:
                piece[0].write(piece[1])
        return True

    def _pieces(self, item: Outcome | int) -> Iterator[tuple[Sink, bytes]]:
        outcome = item if isinstance(item, Outcome) else self._reader.outcome(item)
        if self._render is not None:
            yield self._out, self._render(outcome)
            return
        for sink, output in ((self._out, outcome.out), (self._err, outcome.err)):
            if output is NO_OUTPUT or sink.broken:
                continue
            yield from ((sink, data) for data in self._read(output))

    def _read(self, output: Output) -> Iterator[bytes]:
        try:
            yield from read_output(self._outputs, output)
        except OSError as error:
            yield f"[parallel-runner: this output cannot be read back: {error.strerror}]\n".encode()
