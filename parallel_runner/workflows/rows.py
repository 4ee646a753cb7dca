"""Records of input and what they become: rows of argument values. Pure.

bytes ─split─▶ records ─eof, trim, columns─▶ rows ─unique, filter─▶ rows
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product

from parallel_runner.errors import DataError

Row = tuple[bytes, ...]
_BLANKS = b" \t\r\n\v\f"
TRIMS: dict[str, Callable[[bytes], bytes]] = {
    "n": lambda value: value,
    "l": lambda value: value.lstrip(_BLANKS),
    "r": lambda value: value.rstrip(_BLANKS),
    "lr": lambda value: value.strip(_BLANKS),
    "rl": lambda value: value.strip(_BLANKS),
}
MOST_COLUMN_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Format:
    """How records are read."""

    separator: bytes = b"\n"
    eof: bytes | None = None
    """A record that ends the input."""
    trim: str = "n"
    """Blanks that are cut off values: n | l | r | lr."""
    columns: re.Pattern[bytes] | None = None
    """What stands between the columns of a record; None: a record is one value."""
    csv: bool = False
    """Columns as RFC 4180 has them."""
    header: int = 0
    """Records at the start that name the columns."""
    skip_empty: bool = False
    joins_lines: bool = False
    """A record that ends with a blank goes on in the next one (`-L`)."""


class RowReader:
    """Turns the records of one source, as they come, into rows."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._trim = TRIMS[form.trim]
        self._headers = form.header
        self._open: list[bytes] = []
        """Records of a CSV field that has not ended."""
        self._line = b""
        """What goes on in the next record."""
        self.names: list[bytes] = []
        """What the header calls the columns."""
        self.ended = False
        """The record that ends the input was seen."""
        self.plain = form == replace(Format(), separator=form.separator)
        """Records are rows as they are."""
        self.named_later = form.header > 0
        """The names of the columns are in the input."""

    def take(self, records: Sequence[bytes]) -> list[Row]:
        """The rows of some more records."""
        if self.plain:
            return [(record,) for record in records]
        return [row for row in map(self._row, self._wanted(records)) if row is not None]

    def end(self) -> list[Row]:
        """What the end of the source completes.

        Raises:
            DataError: a quoted CSV field never ends.
        """
        if self._open:
            start = self._open[0][:60].decode("utf-8", "backslashreplace")
            raise DataError(f'the input ends inside a quoted field; it begins at: {start!r}; close it with "')
        if self._line:
            line, self._line = self._line, b""
            row = self._row(line)
            return [row] if row is not None else []
        return []

    def _wanted(self, records: Iterable[bytes]) -> Iterator[bytes]:
        for record in records:
            if self.ended:
                return
            if self._form.eof is not None and record == self._form.eof:
                self.ended = True
                return
            if self._form.joins_lines and record.endswith((b" ", b"\t")):
                self._line += record
                continue
            yield self._line + record
            self._line = b""

    def _row(self, record: bytes) -> Row | None:
        form = self._form
        if form.csv:
            whole = self._whole_csv(record)
            if whole is None:
                return None
            record = whole
        values = self._columns(record)
        if self._headers:
            if self._headers == form.header:
                self.names = list(values)
            self._headers -= 1
            return None
        if form.skip_empty and not any(value.strip() for value in values):
            return None
        return values

    def _whole_csv(self, record: bytes) -> bytes | None:
        """The record with those that its quoted field goes on in; None: it goes on."""
        self._open.append(record)
        if sum(one.count(b'"') for one in self._open) % 2:
            if sum(map(len, self._open)) > MOST_COLUMN_BYTES:
                self.end()
            return None
        whole = self._form.separator.join(self._open)
        self._open.clear()
        return whole

    def _columns(self, record: bytes) -> Row:
        form = self._form
        if form.csv:
            # latin-1 maps every byte to one character and back.
            delimiter = form.columns.pattern.decode("latin-1") if form.columns else ","
            fields = next(csv.reader([record.decode("latin-1")], delimiter=delimiter), [""])
            return tuple(self._trim(one.encode("latin-1")) for one in fields)
        if form.columns is None:
            return (self._trim(record),)
        return tuple(map(self._trim, form.columns.split(record)))


def combine(sources: Sequence[Sequence[Iterable[Row]]], *, link: bool) -> Iterator[Row]:
    """Rows of several sources put together.

    Args:
        sources: groups of sources. Those of a group go side by side, as far as the shortest (`:::+`); groups are
            crossed, the last one changing fastest.
        link: all sources go side by side instead, shorter ones from their start again (`--link`).
    """
    flat = [list(rows) for group in sources for rows in group]
    if link:
        longest = max(map(len, flat), default=0)
        if all(flat):
            for place in range(longest):
                yield tuple(chain.from_iterable(rows[place % len(rows)] for rows in flat))
        return
    groups, place = [], 0
    for group in sources:
        side_by_side = flat[place : place + len(group)]
        place += len(group)
        groups.append([tuple(chain.from_iterable(rows)) for rows in zip(*side_by_side, strict=False)])
    for rows in product(*groups):
        yield tuple(chain.from_iterable(rows))


class Unique:
    """Lets each row through once. Remembers 16 bytes of each."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def __call__(self, row: Row) -> bool:
        """Whether the row is new."""
        lengths = b",".join(b"%d" % len(value) for value in row)
        digest = hashlib.blake2b(lengths + b"\0" + b"".join(row), digest_size=16).digest()
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True
