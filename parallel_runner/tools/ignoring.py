"""Ignore rules for the Python engine: .gitignore, .ignore and .git/info/exclude of the searched tree, layered.

What git has and this has not: the user's global excludes file, and rules above the root. The summary of a search by
this engine says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from parallel_runner.tools.globs import GlobError, compile_glob

FILES = (b".gitignore", b".ignore", b".rgignore")


class Rule(NamedTuple):
    """One line of an ignore file."""

    base: bytes
    """Directory of the file, relative to the root, with a slash at its end; empty: the root."""
    pattern: re.Pattern[bytes]
    negated: bool
    only_directories: bool


def parse_rules(text: bytes, base: bytes) -> list[Rule]:
    """The rules of an ignore file. A line that is no pattern is no rule, as with git."""
    rules = []
    for raw in text.splitlines():
        line = raw if raw.endswith(b"\\ ") else raw.rstrip(b" \t")
        if not line or line.startswith(b"#"):
            continue
        negated = line.startswith(b"!")
        line = line[1:] if negated else line
        only_directories = line.endswith(b"/")
        try:
            pattern = compile_glob(line.rstrip(b"/"))
        except GlobError:
            continue
        rules.append(Rule(base, pattern, negated, only_directories))
    return rules


def is_ignored(path: bytes, directory: bool, rules: list[Rule]) -> bool:
    """Whether the last rule that matches says so."""
    for rule in reversed(rules):
        applies = (directory or not rule.only_directories) and path.startswith(rule.base)
        if applies and rule.pattern.match(path[len(rule.base) :]):
            return not rule.negated
    return False


class Walk:
    """A walk over a tree without following links. Counts what it leaves out."""

    def __init__(self, root: bytes, *, hidden: bool, ignored: bool) -> None:
        self._root = root
        self._hidden = hidden
        self._ignored = ignored
        self.errors: list[str] = []
        self.skipped: dict[str, int] = {}

    def files(self) -> Iterator[bytes]:
        """Regular files, relative to the root, in order of name."""
        exclude = os.path.join(self._root, b".git", b"info", b"exclude")
        yield from self._walk(b"", [] if self._ignored else self._rules_of(exclude, b""))

    def _rules_of(self, path: bytes, base: bytes) -> list[Rule]:
        try:
            with open(path, "rb") as file:
                return parse_rules(file.read(), base)
        except OSError:
            return []

    def _walk(self, base: bytes, rules: list[Rule]) -> Iterator[bytes]:
        try:
            with os.scandir(os.path.join(self._root, base) or b".") as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.errors.append(f"{(base or self._root).decode('utf-8', 'backslashreplace')}: {error.strerror}")
            return
        if not self._ignored:
            for name in FILES:
                rules = rules + self._rules_of(os.path.join(self._root, base, name), base)
        for entry in entries:
            path = base + entry.name
            directory = entry.is_dir(follow_symlinks=False)
            reason = self._reason(entry, path, directory, rules)
            if reason:
                self.skipped[reason] = self.skipped.get(reason, 0) + 1
            elif directory:
                yield from self._walk(path + b"/", rules)
            else:
                yield path

    def _reason(self, entry: os.DirEntry[bytes], path: bytes, directory: bool, rules: list[Rule]) -> str:
        if entry.name.startswith(b".") and not self._hidden:
            return "hidden"
        if is_ignored(path, directory, rules):
            return "ignored"
        if not directory and not entry.is_file(follow_symlinks=False):
            return "special"
        return ""
