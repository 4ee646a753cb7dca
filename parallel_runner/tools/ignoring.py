"""Ignore rules as git and ripgrep layer them: kinds of files by rank, in each the nearest directory, the last line. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from parallel_runner.tools.globs import GlobError, compile_glob

RANKS = (b".rgignore", b".ignore", b".gitignore")
"""Names of ignore files, the one that overrules the others first."""


class Rule(NamedTuple):
    """One line of an ignore file."""

    pattern: re.Pattern[bytes]
    negated: bool
    only_directories: bool


class RuleFile(NamedTuple):
    """The rules of one file."""

    base: bytes
    """Its directory, absolute, with a slash at the end: rules are over paths relative to it."""
    rules: Sequence[Rule]


class Layers(NamedTuple):
    """The rule files that hold in a directory: for each rank, the nearest last."""

    rgignore: tuple[RuleFile, ...] = ()
    ignore: tuple[RuleFile, ...] = ()
    git: tuple[RuleFile, ...] = ()
    exclude: tuple[RuleFile, ...] = ()
    everywhere: tuple[RuleFile, ...] = ()

    def says_ignore(self, path: bytes, *, directory: bool) -> bool:
        """Whether an absolute path is left out; the first rank that says anything decides."""
        for files in self:
            for file in reversed(files):
                verdict = _verdict(file, path, directory)
                if verdict is not None:
                    return verdict
        return False


def _verdict(file: RuleFile, path: bytes, directory: bool) -> bool | None:
    if not path.startswith(file.base):
        return None
    relative = path[len(file.base) :]
    for rule in reversed(file.rules):
        if (directory or not rule.only_directories) and rule.pattern.match(relative):
            return not rule.negated
    return None


def parse_rules(text: bytes) -> list[Rule]:
    """The rules of an ignore file, in order. A line that is no pattern is no rule, as with git."""
    rules = []
    for number, raw in enumerate(text.split(b"\n")):
        line = raw[3:] if number == 0 and raw.startswith(b"\xef\xbb\xbf") else raw
        line = _without_trailing_blanks(line.removesuffix(b"\r"))
        if not line or line.startswith(b"#"):
            continue
        negated = line.startswith(b"!")
        line = line[1:] if negated else line
        only_directories = line.endswith(b"/")
        try:
            pattern = compile_glob(line.removesuffix(b"/"), "git")
        except GlobError:
            continue
        rules.append(Rule(pattern, negated, only_directories))
    return rules


def _without_trailing_blanks(line: bytes) -> bytes:
    """git drops spaces at the end of a line, but not one that a backslash stands before."""
    kept = line.rstrip(b" ")
    backslashes = len(kept) - len(kept.rstrip(b"\\"))
    return kept + b" " if backslashes % 2 and len(kept) < len(line) else kept


def excludes_file(config: bytes) -> bytes | None:
    """The `excludesFile` that a git configuration names, if it does; not expanded."""
    found = re.search(rb'(?im)^\s*excludesfile\s*=\s*"?\s*(\S+?)\s*"?\s*$', config)
    return found[1] if found else None
