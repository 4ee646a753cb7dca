"""Outcomes on their way to the user: whole per job, in order of ending or of submission; or while jobs run.

outcome ─▶ in order? ─▶ shown (logs, results) ─▶ queue ─▶ pieces ─▶ tags ─▶ sinks
piece of a running job ──────────────────────────▲
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from parallel_runner.ids import seq_of
from parallel_runner.journal.segments import read_output
from parallel_runner.model.job import Job
from parallel_runner.model.outcome import NO_OUTPUT, Extent, Output
from parallel_runner.runner.recording import Told
from parallel_runner.runner.writing import Sink

HIGH_WATER = 8 * 1024 * 1024
"""Bytes that may wait for a slow reader before nothing new is started."""
_ENOUGH = 1 << 20


def _nobody(told: Told) -> None:
    """Hears of it and does nothing."""


class OutcomeReader(Protocol):
    """Where an outcome is read back from that waited too long to be kept in memory."""

    def told(self, attempt: int) -> Told:
        """A committed outcome with its job."""
        ...


class Manner(NamedTuple):
    """How outputs are printed."""

    keep_order: bool = False
    every_attempt: bool = False
    """Also attempts that another one follows."""
    live: str = ""
    """While jobs run: `lines`, whole ones, or `bytes`; empty: when they have ended."""
    silent: bool = False
    """Nothing is printed: it is all written elsewhere."""
    tag: Callable[[Job, int], bytes] | None = None
    """Of a job in a slot."""
    render: Callable[[Told], bytes] | None = None
    """What is printed to stdout instead of the streams."""


@dataclass
class _Live:
    """A running attempt whose output is printed as it comes."""

    job: Job
    slot: int
    waiting: list[tuple[int, Extent]] = field(default_factory=list)
    """Pieces that came before it was this job's turn."""
    taken: list[int] = field(default_factory=lambda: [0, 0])
    """Bytes of each stream that went to the queue."""
    lines: list[bytes] = field(default_factory=lambda: [b"", b""])
    """What is printed of each stream once its line ends."""


class _Piece(NamedTuple):
    """A piece of a running attempt's output."""

    live: _Live
    which: int
    extent: Extent


class _End(NamedTuple):
    """The rest of an attempt's output."""

    told: Told
    live: _Live | None


def tagged(data: bytes, tag: bytes, *, fresh: bool) -> bytes:
    """Data with the tag in front of each line; `fresh`: it begins with a new line."""
    if not data:
        return data
    last = data.endswith(b"\n")
    body = data[:-1] if last else data
    return (tag if fresh else b"") + body.replace(b"\n", b"\n" + tag) + (b"\n" if last else b"")


class Printer:
    """Prints committed outcomes. What a slow reader has not taken stays in the journal and the segments."""

    def __init__(
        self,
        sinks: tuple[Sink, Sink],
        outputs: str,
        reader: OutcomeReader,
        manner: Manner,
        shown: Callable[[Told], None] = _nobody,
    ) -> None:
        """Print to `sinks` (stdout, stderr); `shown` hears of all ends in the order in which they are printed."""
        self._sinks = sinks
        self._out, self._err = sinks
        self._outputs = outputs
        self._reader = reader
        self._manner = manner
        self._shown = shown
        self._next_seq = 1
        self._expected: deque[int] | None = None
        self._held: dict[int, Told | int] = {}
        self._held_bytes = 0
        self._early: dict[int, list[Told]] = {}
        """Attempts that another followed, until it is their job's turn."""
        self._live: dict[int, _Live] = {}
        self._queue: deque[_End | _Piece] = deque()
        self._current: Iterator[tuple[Sink, bytes]] | None = None

    @property
    def backlog(self) -> int:
        """Bytes that wait, about."""
        waiting = sum(
            item.told.outcome.out.size + item.told.outcome.err.size
            if isinstance(item, _End)
            else item.extent.length
            for item in self._queue
        )
        return self._out.waiting + self._err.waiting + waiting

    @property
    def busy(self) -> bool:
        """Whether something can still be written."""
        return bool(self._queue or self._current or self._out.waiting or self._err.waiting)

    # -- what comes

    def expect(self, seqs: Iterable[int]) -> None:
        """With order kept: only these places are waited for, and what further calls name, in this order."""
        if self._expected is None:
            self._expected = deque()
        self._expected += seqs
        self._next_seq = self._expected[0] if self._expected else 0
        self._advance()

    def expect_more(self, seqs: Iterable[int]) -> None:
        """Places that come after all others, where not every place is waited for anyway."""
        if self._expected is not None:
            self.expect(seqs)

    def _step(self) -> None:
        """The next place that is waited for; 0: none is known."""
        if self._expected is None:
            self._next_seq += 1
            return
        self._expected.popleft()
        self._next_seq = self._expected[0] if self._expected else 0

    def began(self, attempt: int, job: Job, slot: int) -> None:
        """An attempt runs whose output is to be printed as it comes."""
        if self._manner.live:
            self._live[attempt] = _Live(job, slot)

    def wrote(self, attempt: int, which: int, extent: Extent) -> None:
        """A running attempt wrote something (which: 0 stdout, 1 stderr)."""
        live = self._live.get(attempt)
        if live is None:
            return
        live.waiting.append((which, extent))
        if not self._manner.keep_order or seq_of(live.job.id) == self._next_seq:
            self._let_go(live)

    def _let_go(self, live: _Live) -> None:
        for which, extent in live.waiting:
            live.taken[which] += extent.length
            self._queue.append(_Piece(live, which, extent))
        live.waiting.clear()

    def add(self, told: Told) -> None:
        """Print a committed outcome; one that another attempt follows only where that is wanted."""
        live = self._live.pop(told.outcome.attempt, None) if self._live else None
        if live is not None and live.taken != [0, 0]:
            # Its beginning was printed: then all of it is, in one place.
            self._queue.append(_End(told, live))
        elif told.final or self._manner.every_attempt:
            self._in_order(told)
            return
        if told.final:
            self._shown(told)
            if self._manner.keep_order:
                self._held[seq_of(told.job.id)] = told
                self._advance(printed=seq_of(told.job.id))

    def _in_order(self, told: Told) -> None:
        if not self._manner.keep_order:
            if told.final:
                self._shown(told)
            if not self._print_at_once(told):
                self._queue.append(_End(told, None))
            return
        if not told.final:
            self._early.setdefault(seq_of(told.job.id), []).append(told)
            return
        outcome = told.outcome
        self._held_bytes += len(outcome.out.inline) + len(outcome.err.inline)
        # What waits long for its turn waits in the journal.
        self._held[seq_of(told.job.id)] = told if self._held_bytes < HIGH_WATER else outcome.attempt
        self._advance()

    def _advance(self, printed: int = 0) -> None:
        while self._next_seq in self._held:
            seq, item = self._next_seq, self._held.pop(self._next_seq)
            self._step()
            if seq != printed:
                self._release(item)
            if self._live:
                for live in self._live.values():
                    if seq_of(live.job.id) == self._next_seq:
                        self._let_go(live)
        if not self._held:
            self._held_bytes = 0

    def _release(self, item: Told | int) -> None:
        told = item if isinstance(item, Told) else self._reader.told(item)
        for early in self._early.pop(seq_of(told.job.id), ()) if self._early else ():
            self._queue.append(_End(early, None))
        self._shown(told)
        if not self._print_at_once(told):
            self._queue.append(_End(told, None))

    def _print_at_once(self, told: Told) -> bool:
        """Hand over short output right away, when nothing waits that would have to go first."""
        outcome, manner = told.outcome, self._manner
        if not (manner.render or outcome.out.size or outcome.err.size) or manner.silent:
            return True
        if self._queue or self._current or manner.render or outcome.out.extents or outcome.err.extents:
            return False
        if self._out.waiting + self._err.waiting > _ENOUGH:
            return False
        out, err = outcome.out.inline, outcome.err.inline
        if manner.tag is not None:
            tag = manner.tag(told.job, told.slot)
            out, err = tagged(out, tag, fresh=True), tagged(err, tag, fresh=True)
        self._out.write(out)
        self._err.write(err)
        return True

    def release_all(self) -> None:
        """With order kept: what was waited for will not come; print the rest in order."""
        while self._held:
            seq = min(self._held)
            self._release(self._held.pop(seq))

    # -- what goes

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
                item = self._queue.popleft()
                self._current = self._pieces(item) if isinstance(item, _End) else self._live_piece(item)
            piece = next(self._current, None)
            if piece is None:
                self._current = None
            else:
                piece[0].write(piece[1])
        return True

    def _pieces(self, item: _End) -> Iterator[tuple[Sink, bytes]]:
        told, live = item
        if self._manner.render is not None:
            yield self._out, self._manner.render(told)
            return
        if self._manner.silent:
            return
        tag = self._manner.tag(told.job, told.slot) if self._manner.tag is not None else None
        for which, output in enumerate((told.outcome.out, told.outcome.err)):
            sink = self._sinks[which]
            if output is NO_OUTPUT or sink.broken:
                continue
            fresh = True
            for data in self._rest(output, live, which):
                yield sink, data if tag is None else tagged(data, tag, fresh=fresh)
                fresh = data.endswith(b"\n")

    def _rest(self, output: Output, live: _Live | None, which: int) -> Iterator[bytes]:
        if live is None:
            yield from self._read(output)
            return
        if live.lines[which]:
            yield live.lines[which]
        printed = live.taken[which]
        for data in self._read(output):
            if printed >= len(data):
                printed -= len(data)
                continue
            yield data[printed:]
            printed = 0

    def _live_piece(self, piece: _Piece) -> Iterator[tuple[Sink, bytes]]:
        live, which, extent = piece
        output = Output(extent.length, b"", (extent,))
        for data in self._read(output):
            whole = live.lines[which] + data
            cut = len(whole) if self._manner.live == "bytes" else whole.rfind(b"\n") + 1
            live.lines[which] = whole[cut:]
            if cut and self._manner.tag is not None:
                yield self._sinks[which], tagged(whole[:cut], self._manner.tag(live.job, live.slot), fresh=True)
            elif cut:
                yield self._sinks[which], whole[:cut]

    def _read(self, output: Output) -> Iterator[bytes]:
        try:
            yield from read_output(self._outputs, output)
        except OSError as error:
            yield f"[parallel-runner: this output cannot be read back: {error.strerror}]\n".encode()
