"""Telling the audience of a run what happens, each thing once and each thing in its turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from parallel_runner.clock import Clock
from parallel_runner.model.job import Job
from parallel_runner.model.ports import Executor
from parallel_runner.reactor import Reactor
from parallel_runner.runner.audience import Audience
from parallel_runner.runner.progress import Counts
from parallel_runner.runner.recording import Told
from parallel_runner.runner.writing import Sink


class Telling:
    """Carries to the audience what the run reports."""

    def __init__(self, audience: Audience, executor: Executor, clock: Clock) -> None:
        self._audience = audience
        self._printer = audience.printer
        self._executor = executor
        self._clock = clock
        self._announced: set[int] = set()
        """Attempts in hand whose commands were shown."""

    def say(self, line: str) -> None:
        """A line for people, where no progress line is in its way."""
        self._audience.progress.hide()
        self._audience.say(line)

    def began(self, attempt: int, job: Job, worker: str) -> None:
        """An attempt runs."""
        slot = self._executor.slot_of(worker)
        self._announce(attempt, job, slot)
        self._printer.began(attempt, job, slot)

    def ended(self, attempt: int, job: Job, worker: str) -> int:
        """An attempt runs no more; returns the slot that its end is told with.

        Of a short one nobody heard that it ran.
        """
        if self._audience.command is not None:
            self._announce(attempt, job, self._executor.slot_of(worker))
            self._announced.discard(attempt)
        return self._executor.slot_of(worker) if self._audience.slots else 0

    def _announce(self, attempt: int, job: Job, slot: int) -> None:
        if self._audience.command is not None and attempt not in self._announced:
            self._announced.add(attempt)
            self._audience.sinks[1].write(self._audience.command(job, slot))
            self._audience.sinks[1].flush()

    def committed(self, ends: Sequence[Told]) -> None:
        """Ends that nothing takes back any more.

        Raises:
            StateError: a job log or results cannot be written; the journal has it all.
        """
        for told in ends:
            self._printer.add(told)
            self._audience.attempt(told)

    def progress(self, counts: Callable[[], Counts]) -> None:
        """Draw how far it is, when it is time to."""
        due = self._audience.progress.due_at()
        if due is not None and self._clock.monotonic() >= due:
            self._audience.progress.show(counts())

    def hide_progress(self) -> None:
        """Leave the terminal as it was."""
        self._audience.progress.hide()

    def progress_due(self) -> float | None:
        """When it is to be drawn next."""
        return self._audience.progress.due_at()

    def broken(self) -> Sink | None:
        """A sink that takes nothing more."""
        return next((sink for sink in self._audience.sinks if sink.broken), None)

    def nobody_reads(self) -> bool:
        """Whether a reader has gone away, with nothing wrong about it."""
        return any(sink.broken and not sink.trouble for sink in self._audience.sinks)

    def finish(self, reactor: Reactor) -> None:
        """Let readers have all that is left; while they live they are waited for."""
        self._printer.release_all()
        while self._printer.busy and self.broken() is None:
            self._printer.pump()
            if self._printer.busy:
                reactor.run_once(1.0)
