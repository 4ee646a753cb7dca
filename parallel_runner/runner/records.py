"""What is written beside the journal while a batch runs: its job log and its results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from parallel_runner.errors import StateError
from parallel_runner.ids import seq_of
from parallel_runner.journal.store import Journal
from parallel_runner.model.batch import BatchHeader, Presentation
from parallel_runner.model.terms import Terms
from parallel_runner.reports.records import describe, json_line, outcome_record
from parallel_runner.runner.joblog import JobLog, logged
from parallel_runner.runner.labels import Labels
from parallel_runner.runner.recording import Told, told_of
from parallel_runner.runner.results import open_results


class Records:
    """The files that a batch's outcomes are written to."""

    def __init__(self, header: BatchHeader, terms: Sequence[Terms], outputs: str, *, go_on: bool) -> None:
        """Open them; `go_on`: what they have stays; `terms`: of the jobs, and of those that jobs become.

        Raises:
            UsageError: one cannot be written.
        """
        shown = Presentation.unpacked(header.results)
        self._terms = terms
        self.keeps_order = shown.keep_order
        """Outputs were asked for in the order of the input when the batch was made."""
        self.labels = Labels(terms, shown)
        self._outputs = outputs
        self._path = shown.joblog
        self._broken = False
        """One could not be written: then the run is given up, and nothing more is tried."""
        self._log = JobLog(shown.joblog, self.labels, go_on=go_on) if shown.joblog else None
        self._results = (
            open_results(shown.results, self.labels, outputs, self.line, go_on=go_on) if shown.results else None
        )

    def line(self, told: Told) -> bytes:
        """An end as a line of JSON, the same as `results` prints."""
        terms = self._terms[told.job.terms]
        record = outcome_record(
            told.outcome,
            self._outputs,
            final=told.final,
            name=told.job.name,
            command=describe(terms.tool, told.job.payload),
            tags=terms.tags,
        )
        return json_line(record)

    @property
    def instead(self) -> bool:
        """Whether the results stand for what would be printed."""
        return self._results is not None and self._results.instead

    def shown(self, told: Told) -> None:
        """A job has ended for good, in the order in which that is told."""
        if self._log is not None:
            self._write(self._log.write, told)
        if self._results is not None and self._results.instead:
            self._write(self._results.write, told)

    def attempt(self, told: Told) -> None:
        """An attempt has ended."""
        if self._results is not None and not self._results.instead:
            self._write(self._results.write, told)

    def _write(self, write: Callable[[Told], None], told: Told) -> None:
        if self._broken:
            return
        try:
            write(told)
        except OSError as error:
            self._broken = True
            raise StateError(
                f"the job log or the results cannot be written: {error.strerror}"
                f"{': ' + str(error.filename) if error.filename else ''}"
            ) from error

    @property
    def any(self) -> bool:
        """Whether anything is written at all."""
        return self._log is not None or self._results is not None

    def catch_up(self, journal: Journal, batch: int, besides: Collection[int]) -> None:
        """Write what a killed runner could not write any more; the ends of `besides` come anyway."""
        if not self.any:
            return
        known = logged(self._path) if self._log is not None else set()
        for row in journal.attempts(batch):
            if row.outcome.attempt in besides:
                continue
            told = told_of(row)
            if self._log is not None and row.final and seq_of(told.job.id) not in known:
                self._log.write(told)
            if self._results is not None and not self._results.has(told):
                self._results.write(told)

    def close(self) -> None:
        """Close the files."""
        if self._log is not None:
            self._log.close()
