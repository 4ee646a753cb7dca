"""`--results`: what jobs wrote, in files beside the journal, laid out as GNU parallel does it."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import msgspec

from parallel_runner.descriptors import write_all
from parallel_runner.errors import UsageError
from parallel_runner.ids import attempt_name, seq_of
from parallel_runner.journal.segments import read_output
from parallel_runner.model.outcome import Output
from parallel_runner.reports.records import ParallelRecord, json_line
from parallel_runner.runner.joblog import ended_as, ran
from parallel_runner.runner.labels import Labels
from parallel_runner.runner.printing import tagged
from parallel_runner.runner.recording import Told

_COLUMNS = (b"Seq", b"Host", b"Starttime", b"JobRuntime", b"Send", b"Receive", b"Exitval", b"Signal", b"Command")
_BLANKS = b" \t\n\r\v\f"
_LONGEST = 255
"""Bytes of a file's name."""


class Results(Protocol):
    """Writes what jobs wrote."""

    instead: bool
    """Nothing of it is printed then."""

    def write(self, told: Told) -> None:
        """One end of a job."""
        ...

    def has(self, told: Told) -> bool:
        """Whether a former run wrote it."""
        ...


def open_results(path: str, labels: Labels, outputs: str, line: Callable[[Told], bytes], *, go_on: bool) -> Results:
    """What `--results PATH` asks for, by the ending of PATH.

    Args:
        path: where they go.
        labels: what jobs are called.
        outputs: the directory of the segment files.
        line: makes a line of JSON of an attempt.
        go_on: what is there stays.

    Raises:
        UsageError: the place cannot be written.
    """
    try:
        if path.endswith(".jsonl"):
            return _Lines(path, line, go_on=go_on)
        for ending, separator in ((".csv", b","), (".tsv", b"\t")):
            if path.endswith(ending):
                return _Table(path, separator, labels, outputs, go_on=go_on)
        if path.endswith(".json"):
            return _Objects(path, labels, outputs, go_on=go_on)
        return _Directory(path, labels, outputs)
    except OSError as error:
        raise UsageError(f"--results {path}: {error.strerror}") from error


def _open(path: str, *, go_on: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(path, flags if go_on else flags | os.O_TRUNC, 0o666)


def _whole(outputs: str, output: Output) -> bytes:
    return b"".join(read_output(outputs, output))


class _Lines:
    """An object per attempt, the same as `results` prints."""

    instead = False

    def __init__(self, path: str, line: Callable[[Told], bytes], *, go_on: bool) -> None:
        self._known = {record["attempt"] for record in _records(path) if "attempt" in record} if go_on else set()
        self._fd = _open(path, go_on=True)
        self._line = line

    def has(self, told: Told) -> bool:
        return attempt_name(told.outcome.attempt) in self._known

    def write(self, told: Told) -> None:
        write_all(self._fd, self._line(told))


class _Table:
    """A row per job: the columns of the job log, the values, both streams."""

    instead = True

    def __init__(self, path: str, separator: bytes, labels: Labels, outputs: str, *, go_on: bool) -> None:
        self._outputs = outputs
        self._fd = _open(path, go_on=go_on)
        self._separator = separator
        self._labels = labels
        self._headed = os.fstat(self._fd).st_size > 0
        self._known = _places(path, separator) if go_on else set()

    def has(self, told: Told) -> bool:
        return seq_of(told.job.id) in self._known or not told.final

    def write(self, told: Told) -> None:
        if not told.final or not ran(told.outcome):
            return
        values = self._labels.values(told.job)
        rows = b""
        if not self._headed:
            self._headed = True
            names = self._labels.names or tuple(b"V%d" % place for place in range(1, len(values) + 1))
            rows = self._row((*_COLUMNS, *names, b"Stdout", b"Stderr"))
        outcome = told.outcome
        end = ended_as(outcome)
        rows += self._row(
            (
                b"%d" % seq_of(told.job.id),
                b":",
                b"%.3f" % outcome.started_at,
                b"%.3f" % outcome.usage.wall,
                b"%d" % self._labels.sent(told.job),
                b"%d" % outcome.out.size,
                b"%d" % end.exit_value,
                b"%d" % end.signal,
                self._labels.command(told.job, told.slot),
                *values,
                self._stream(told, outcome.out),
                self._stream(told, outcome.err),
            )
        )
        write_all(self._fd, rows)

    def _stream(self, told: Told, output: Output) -> bytes:
        data = _whole(self._outputs, output)
        return tagged(data, self._labels.tag(told.job, told.slot), fresh=True) if self._labels.tagged else data

    def _row(self, fields: Iterable[bytes]) -> bytes:
        return self._separator.join(map(self._field, fields)) + b"\n"

    def _field(self, value: bytes) -> bytes:
        if any(mark in value for mark in (b'"', self._separator, b"\0")) or any(byte in _BLANKS for byte in value):
            return b'"' + value.replace(b'"', b'""') + b'"'
        return value


class _Objects:
    """An object per job, in GNU parallel's words."""

    instead = True

    def __init__(self, path: str, labels: Labels, outputs: str, *, go_on: bool) -> None:
        self._outputs = outputs
        self._fd = _open(path, go_on=go_on)
        self._labels = labels
        self._known = {record["Seq"] for record in _records(path) if "Seq" in record} if go_on else set()

    def has(self, told: Told) -> bool:
        return seq_of(told.job.id) in self._known or not told.final

    def write(self, told: Told) -> None:
        if not told.final or not ran(told.outcome):
            return
        outcome = told.outcome
        end = ended_as(outcome)
        record = ParallelRecord(
            seq=seq_of(told.job.id),
            host=":",
            starttime=round(outcome.started_at, 3),
            job_runtime=round(outcome.usage.wall, 3),
            send=self._labels.sent(told.job),
            receive=outcome.out.size,
            exitval=end.exit_value,
            signal=end.signal,
            command=_text(self._labels.command(told.job, told.slot)),
            v=tuple(_text(value) for value in self._labels.values(told.job)),
            stdout=_text(_whole(self._outputs, outcome.out)),
            stderr=_text(_whole(self._outputs, outcome.err)),
        )
        write_all(self._fd, json_line(record))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class _Directory:
    """Files per job, in directories called after its values, or where a path with placeholders says."""

    instead = True

    def __init__(self, path: str, labels: Labels, outputs: str) -> None:
        self._outputs = outputs
        self._path = os.fsencode(path)
        self._labels = labels
        self._parts = labels.parts(self._path)
        os.makedirs(self._fixed(), exist_ok=True)

    def has(self, told: Told) -> bool:
        return not told.final or os.path.exists(self._places(told)[2])

    def _fixed(self) -> bytes:
        """The directory that every file is in."""
        if not self._parts.marks:
            return self._path
        return os.path.dirname(self._parts.texts[0]) or b"/"

    def write(self, told: Told) -> None:
        if not told.final or not ran(told.outcome):
            return
        stdout, stderr, seq = self._places(told)
        for path, output in ((stdout, told.outcome.out), (stderr, told.outcome.err)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.writelines(read_output(self._outputs, output))
        with open(seq, "wb") as file:
            file.write(b"%d" % seq_of(told.job.id))

    def _places(self, told: Told) -> tuple[bytes, bytes, bytes]:
        if self._parts.marks:
            name = self._within(self._labels.fill(self._parts, told.job, told.slot))
            if not name.endswith(b"/"):
                return name, name + b".err", name + b".seq"
            directory = name.rstrip(b"/")
        else:
            directory = b"/".join([self._path.rstrip(b"/"), *self._steps(told)])
        return directory + b"/stdout", directory + b"/stderr", directory + b"/seq"

    def _steps(self, told: Told) -> Iterator[bytes]:
        values = self._labels.values(told.job)
        steps = [(self._labels.column(place), value) for place, value in enumerate(values)]
        # Numbers by their size, then names.
        for name, value in sorted(steps, key=_order):
            yield file_name(name)
            yield file_name(value)

    def _within(self, path: bytes) -> bytes:
        """A value must not lead out of the directory that the user named."""
        first = self._parts.texts[0]
        steps = path[len(first) :].split(b"/")
        return first + b"/".join(b"\\.." if step == b".." else step for step in steps)


def _order(step: tuple[bytes, bytes]) -> tuple[bool, int, bytes]:
    name = step[0]
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)


def file_name(value: bytes) -> bytes:
    r"""A value as the name of a directory: `\`, tab, NUL and `/` are written `\\`, `\t`, `\0` and `\_`.

    `.`, `..` and nothing, which GNU parallel uses as they are, are `\.`, `\..` and `\e`: else they led elsewhere.
    """
    for byte, written in ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\0", b"\\0"), (b"/", b"\\_")):
        value = value.replace(byte, written)
    if value in (b".", b".."):
        return b"\\" + value
    return value[:_LONGEST] or b"\\e"


def _records(path: str) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines that is there already; a torn last line is none."""
    try:
        with open(path, "rb") as file:
            for line in file:
                try:
                    record = msgspec.json.decode(line)
                except msgspec.DecodeError:
                    continue
                if isinstance(record, dict):
                    yield record
    except FileNotFoundError:
        return


def _places(path: str, separator: bytes) -> set[int]:
    """The places of the jobs that a table has rows of."""
    csv.field_size_limit(2**31 - 1)
    # latin-1 maps every byte to one character.
    with open(path, encoding="latin-1", newline="") as file:
        firsts = (row[0] for row in csv.reader(file, delimiter=separator.decode()) if row)
        return {int(first) for first in firsts if first.isdigit()}
