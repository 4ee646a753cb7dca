"""Ignore rules for the Python engine, with ripgrep's layers.

From the strongest to the weakest: .rgignore, .ignore, .gitignore, .git/info/exclude, the user's global excludes. In
each layer the deepest file that says anything decides, and in a file the last line that does. Files above the root
count as well; .gitignore up to the top of the repository.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from parallel_runner.tools.globs import GlobError, compile_glob

FILES = (b".rgignore", b".ignore", b".gitignore")
EXCLUDE = b".git/info/exclude"
GLOBAL = b"global"
_LAYERS = (*FILES, EXCLUDE, GLOBAL)
_GIT_PATIENCE = 5.0


class Rule(NamedTuple):
    """One line of an ignore file."""

    base: bytes
    """Directory of the file from the top of the file system, with a slash at its end; empty: the top."""
    pattern: re.Pattern[bytes]
    negated: bool
    only_directories: bool


Rules = Mapping[bytes, tuple[Rule, ...]]
"""Rules by layer, the outermost first."""


def parse_rules(text: bytes, base: bytes) -> list[Rule]:
    """The rules of an ignore file. A line that is no pattern is no rule, as with git."""
    rules = []
    for raw in text.removeprefix(b"\xef\xbb\xbf").splitlines():
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


def is_ignored(path: bytes, directory: bool, rules: Rules) -> bool:
    """Whether the strongest layer that says anything about a path says so."""
    for layer in _LAYERS:
        for rule in reversed(rules.get(layer, ())):
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
        # Rules of all levels are matched against paths from the top.
        self._prefix = os.path.join(os.path.realpath(root), b"").lstrip(b"/")
        self.errors: list[str] = []
        self.skipped: dict[str, int] = {}

    def files(self) -> Iterator[bytes]:
        """Regular files, relative to the root, in order of name."""
        yield from self._walk(b"", {} if self._ignored else self._rules_above())

    def _rules_above(self) -> Rules:
        """What holds at the root before its own files are read."""
        levels = [b"/"]
        for part in self._prefix.split(b"/")[:-1]:
            levels.append(os.path.join(levels[-1], part))
        in_git = [os.path.exists(os.path.join(level, b".git")) for level in levels]
        top = max((index for index, found in enumerate(in_git) if found), default=0)
        rules: Rules = {GLOBAL: tuple(_global_rules(self._root, os.path.join(levels[top], b"").lstrip(b"/")))}
        for index, level in enumerate(levels[:-1]):
            names = FILES if index >= top else FILES[:-1]
            rules = self._with_files(rules, level, os.path.join(level, b"").lstrip(b"/"), names)
        return rules

    def _with_files(self, rules: Rules, directory: bytes, base: bytes, names: tuple[bytes, ...]) -> Rules:
        """The rules, and what a directory's own files add."""
        added = {name: _rules_of(os.path.join(directory, name), base) for name in (*names, EXCLUDE)}
        if not any(added.values()):
            return rules
        return {layer: (*rules.get(layer, ()), *added.get(layer, ())) for layer in _LAYERS}

    def _walk(self, base: bytes, rules: Rules) -> Iterator[bytes]:
        try:
            with os.scandir(os.path.join(self._root, base) or b".") as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.errors.append(f"{(base or self._root).decode('utf-8', 'backslashreplace')}: {error.strerror}")
            return
        if not self._ignored:
            rules = self._with_files(rules, os.path.join(self._root, base), self._prefix + base, FILES)
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

    def _reason(self, entry: os.DirEntry[bytes], path: bytes, directory: bool, rules: Rules) -> str:
        if entry.name.startswith(b".") and not self._hidden:
            return "hidden"
        if entry.name == b".git" and not self._ignored:
            return "repository"
        if is_ignored(self._prefix + path, directory, rules):
            return "ignored"
        if not directory and not entry.is_file(follow_symlinks=False):
            return "special"
        return ""


def _rules_of(path: bytes, base: bytes) -> list[Rule]:
    try:
        with open(path, "rb") as file:
            return parse_rules(file.read(), base)
    except OSError:
        return []


def _global_rules(root: bytes, base: bytes) -> list[Rule]:
    """The user's own excludes: what git is told to use, else where git looks by default."""
    path = b""
    try:
        asked: list[str | bytes] = ["git", "-C", root, "config", "--path", "--get", "core.excludesFile"]
        done = subprocess.run(
            asked, capture_output=True, timeout=_GIT_PATIENCE, stdin=subprocess.DEVNULL, check=False
        )
        path = done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass  # Without git there is still the default.
    if not path:
        config = os.environb.get(b"XDG_CONFIG_HOME") or os.path.expanduser(b"~/.config")
        path = os.path.join(config, b"git", b"ignore")
    return _rules_of(path, base)
