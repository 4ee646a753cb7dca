"""Several rows in one job: `-n`, `-N`, `-L`, `-m`, `-X`, `-s`. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from parallel_runner.errors import DataError
from parallel_runner.workflows.rows import Row

MOST_CHARS = 131_000
"""The kernel takes 128 KiB for one argument (MAX_ARG_STRLEN), which is what `bash -c` is given."""


@dataclass(frozen=True)
class Grouping:
    """How many rows go into one job."""

    most: int | None = None
    """Rows at the most; None: as many as fit."""
    chars: int = MOST_CHARS
    """The command line is shorter than this."""
    spread: int = 0
    """At the end of the input, what is left is spread over that many jobs; 0: it is not."""


class Grouper:
    """Gathers rows into groups, as they come."""

    def __init__(self, grouping: Grouping, size_of: Callable[[list[Row]], int]) -> None:
        """Gather by `grouping`; `size_of` tells the length of the command line for some rows."""
        self._grouping = grouping
        self._size_of = size_of
        self._by_size = grouping.most is None or grouping.chars != MOST_CHARS
        self._rows: list[Row] = []
        self._size = 0

    def take(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The groups that some more rows complete, each with the values of its rows one after the other."""
        for row in rows:
            if self._full(row):
                yield self._give()
            self._rows.append(row)

    def _full(self, row: Row) -> bool:
        if not self._rows:
            if self._by_size:
                self._size = self._size_of([row])
                self._check(row)
            return False
        if self._grouping.most is not None and len(self._rows) >= self._grouping.most:
            if self._by_size:
                self._size = self._size_of([row])
                self._check(row)
            return True
        if not self._by_size:
            return False
        # What one more row adds does not depend on those before it.
        more = self._size_of([row, row]) - self._size_of([row])
        if self._size + more < self._grouping.chars:
            self._size += more
            return False
        self._size = self._size_of([row])
        self._check(row)
        return True

    def _check(self, row: Row) -> None:
        if self._size >= self._grouping.chars:
            start = b" ".join(row)[:60].decode("utf-8", "backslashreplace")
            raise DataError(
                f"the command line for {start!r} has {self._size} characters; "
                f"fewer than {self._grouping.chars} are allowed"
            )

    def _give(self) -> Row:
        group = tuple(chain.from_iterable(self._rows))
        self._rows = []
        return group

    def end(self) -> Iterator[Row]:
        """The groups that are left at the end of the input."""
        spread = self._grouping.spread
        if not self._rows:
            return
        size = max(1, math.ceil(len(self._rows) / spread)) if spread else len(self._rows)
        rows, self._rows = self._rows, []
        for start in range(0, len(rows), size):
            yield tuple(chain.from_iterable(rows[start : start + size]))
