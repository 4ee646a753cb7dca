"""Gathering all that is wrong with a document before saying so."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from parallel_runner.errors import MOST_TOLD, DataError, Problem
from parallel_runner.settings.documents import Document, Path

_HINTS = 2 * MOST_TOLD
"""Unknown keys for which the nearest known one is looked for: that takes longer than all the rest."""
_FEW = 50
"""Names that a word is compared with one by one."""
Complain = Callable[[Sequence["str | int"], str], None]
"""Says that something is wrong at a path below some place."""


def nearest(word: str, known: Sequence[str]) -> str:
    """`; did you mean …?`, or what there is when nothing is near and it is little."""
    return _nearest(word, known if isinstance(known, tuple) else tuple(known))


@lru_cache(maxsize=256)
def _nearest(word: str, known: tuple[str, ...]) -> str:
    compared = _neighbours(word, known) if len(known) > _FEW else known
    found = difflib.get_close_matches(word, compared, n=1, cutoff=0.5)
    if found:
        return f"; did you mean {found[0]!r}?"
    return f"; there are: {', '.join(known)}" if known and len(known) <= 8 else ""


@lru_cache(maxsize=1)
def _sorted(known: tuple[str, ...]) -> tuple[list[str], list[str]]:
    return sorted(known), sorted(name[::-1] for name in known)


def _neighbours(word: str, known: Sequence[str]) -> list[str]:
    """Of many names, those that begin or end most like a word: to compare it with all takes too long."""
    forwards, backwards = _sorted(tuple(known))
    before, behind = bisect_left(forwards, word), bisect_left(backwards, word[::-1])
    near = forwards[max(0, before - _FEW) : before + _FEW]
    return near + [name[::-1] for name in backwards[max(0, behind - _FEW) : behind + _FEW]]


class Checker:
    """A list of problems."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._problems)

    def add(self, problem: Problem) -> None:
        """One more."""
        self._problems.append(problem)

    def at(self, document: Document, path: Path) -> Complain:
        """A function that complains about places below `path`."""

        def complain(below: Sequence[str | int], message: str) -> None:
            self.add(document.problem((*path, *below), message))

        return complain

    def mapping(self, document: Document, path: Path, value: object) -> bool:
        """Complain unless `value` is a mapping."""
        if isinstance(value, dict):
            return True
        self.add(document.problem(path, f"expected keys and values, got {type(value).__name__}"))
        return False

    def known(self, document: Document, path: Path, value: Mapping[str, object], keys: Sequence[str]) -> None:
        """Complain about each key that is not among `keys`."""
        for key in value:
            if key not in keys:
                hint = nearest(key, keys) if self.count < _HINTS else ""
                self.add(document.problem((*path, key), f"there is no key {key!r} here{hint}"))

    def raise_all(self) -> None:
        """Raise DataError with all that was gathered, by line."""
        if self._problems:
            raise DataError(problems=sorted(self._problems, key=lambda one: (one.file, one.line)))
