"""`--results`: outcomes written to a directory or a JSON lines file as they are committed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from parallel_runner.errors import InputUnreadableError
from parallel_runner.ids import job_of, seq_of
from parallel_runner.journal.segments import read_output
from parallel_runner.model.outcome import Outcome
from parallel_runner.reports.records import json_line, outcome_record

Watcher = Callable[[Outcome, bool, str], None]


def open_results(path: str) -> Iterator[Watcher]:
    """A watcher that writes results.

    Raises:
        InputUnreadableError: the place cannot be written.
    """
    try:
        yield _lines(path) if path.endswith(".jsonl") else _directory(path)
    except OSError as error:
        raise InputUnreadableError(f"--results {path}: {error.strerror}") from error


def _lines(path: str) -> Watcher:
    file = open(path, "ab")  # noqa: SIM115 - open as long as the batch runs

    def write(outcome: Outcome, final: bool, outputs: str) -> None:
        file.write(json_line(outcome_record(outcome, outputs, final=final)))
        file.flush()

    return write


def _directory(path: str) -> Watcher:
    os.makedirs(path, exist_ok=True)

    def write(outcome: Outcome, final: bool, outputs: str) -> None:
        place = f"{path}/{seq_of(job_of(outcome.attempt))}"
        os.makedirs(place, exist_ok=True)
        for name, output in (("stdout", outcome.out), ("stderr", outcome.err)):
            with open(f"{place}/{name}", "wb") as file:
                file.writelines(read_output(outputs, output))
        with open(f"{place}/outcome.json", "wb") as file:
            file.write(json_line(outcome_record(outcome, outputs, final=final)))

    return write
