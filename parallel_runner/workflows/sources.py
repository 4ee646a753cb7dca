"""Where argument values come from: the command line itself, files, stdin."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from parallel_runner.errors import InputUnreadableError
from parallel_runner.workflows.rows import Format, Row, RowReader, combine

_CHUNK = 256 * 1024


@dataclass(frozen=True)
class Source:
    """One source of values."""

    values: tuple[bytes, ...] | None = None
    """They stand on the command line."""
    path: bytes = b""
    """They stand in this file; `-` is stdin."""
    linked: bool = False
    """Goes side by side with the source before it (`:::+`)."""


def split_words(
    words: Sequence[bytes], values_after: bytes, files_after: bytes
) -> tuple[list[bytes], list[Source]]:
    """The template's words, and the sources behind `:::`, `:::+`, `::::` and `::::+`, however they are spelt."""
    separators = {
        values_after: (False, False),
        values_after + b"+": (False, True),
        files_after: (True, False),
        files_after + b"+": (True, True),
    }
    template: list[bytes] = []
    groups: list[tuple[bool, bool, list[bytes]]] = []
    for word in words:
        if word in separators:
            groups.append((*separators[word], []))
        elif groups:
            groups[-1][2].append(word)
        else:
            template.append(word)
    sources = []
    for of_files, linked, group in groups:
        if of_files:
            sources += [Source(path=path, linked=linked) for path in group]
        else:
            sources.append(Source(values=tuple(group), linked=linked))
    return template, sources


def open_source(path: bytes) -> int:
    """A descriptor to read a file from; `-`: stdin.

    Raises:
        InputUnreadableError: it cannot be opened, or is a directory.
    """
    if path == b"-":
        return 0
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.read(fd, 0)
    except OSError as error:
        told = path.decode("utf-8", "backslashreplace")
        raise InputUnreadableError(f"the input file {told} cannot be read: {error.strerror}") from error
    return fd


def chunks_of(fd: int) -> Iterator[bytes]:
    """The bytes of a descriptor, in pieces, as they are read.

    Raises:
        InputUnreadableError: it cannot be read.
    """
    while True:
        try:
            chunk = os.read(fd, _CHUNK)
        except OSError as error:
            raise InputUnreadableError(f"the input cannot be read: {error.strerror}") from error
        if not chunk:
            return
        yield chunk


def records_of(fd: int, separator: bytes, begun: bytes = b"") -> Iterator[list[bytes]]:
    """The records of a descriptor, in runs, as they are read; `begun`: what was read of it before.

    Raises:
        InputUnreadableError: it cannot be read.
    """
    rest = b""
    for chunk in chain([begun] if begun else [], chunks_of(fd)):
        records = (rest + without_nul(chunk, separator)).split(separator)
        rest = records.pop()
        yield records
    if rest:
        yield [rest]


def peel_names(fd: int, form: Format) -> tuple[tuple[bytes, ...], bytes]:
    """Read what names the columns off a descriptor; returns (names, what was read behind it).

    Raises:
        InputUnreadableError, DataError: it cannot be read.
    """
    reader = RowReader(form)
    rest = b""
    for chunk in chunks_of(fd):
        records = (rest + without_nul(chunk, form.separator)).split(form.separator)
        while len(records) > 1 and not reader.names:
            reader.take([records.pop(0)])
        rest = form.separator.join(records)
        if reader.names:
            return tuple(reader.names), rest
    if rest:
        reader.take([rest])
    reader.end()
    return tuple(reader.names), b""


def without_nul(chunk: bytes, separator: bytes) -> bytes:
    r"""The chunk with `\0` for each NUL, which no argument can carry, unless NUL is what separates records."""
    return chunk.replace(b"\0", b"\\0") if b"\0" in chunk and separator != b"\0" else chunk


@dataclass(frozen=True)
class Table:
    """All rows of all sources, and what their columns are called."""

    rows: Iterator[Row]
    names: tuple[bytes, ...]
    width: int | None
    """Values in each row, where that is the same for all."""


def read_all(sources: Sequence[Source], form: Format, *, link: bool, file_names: bool = False) -> Table:
    """Read all sources to their ends and put them together.

    Args:
        sources: at least one.
        form: how their records are read.
        link: side by side instead of crossed.
        file_names: columns are called as the files are (`--header 0`).

    Raises:
        InputUnreadableError, DataError: a file cannot be read.
    """
    groups: list[list[list[Row]]] = []
    names: list[bytes] = []
    for source in sources:
        reader = RowReader(form)
        rows: list[Row] = []
        if source.values is not None:
            rows += reader.take(source.values)
        else:
            fd = open_source(source.path)
            try:
                for records in records_of(fd, form.separator):
                    rows += reader.take(records)
            finally:
                if fd:
                    os.close(fd)
        rows += reader.end()
        names += [source.path] if file_names else reader.names
        if source.linked and groups:
            groups[-1].append(rows)
        else:
            groups.append([rows])
    single = form.columns is None and not form.csv
    return Table(combine(groups, link=link), tuple(names), len(sources) if single else None)
