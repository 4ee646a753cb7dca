"""Glob patterns over bytes: `*`, `?`, `[…]`, `**`, and for people `{a,b}` and `!`. Pure.

Two dialects: what a person gives to a tool, where braces are alternatives and `?` is a character, and what stands in
an ignore file, where, as git has it, braces are themselves and `?` is a byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

Dialect = Literal["person", "git"]

_CHARACTER = rb"(?:[\xc2-\xf4][\x80-\xbf]+|[^/])"
_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"\x21-\x7e",
    b"lower": rb"a-z",
    b"print": rb"\x20-\x7e",
    b"punct": rb"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    b"space": rb"\s",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}


class GlobError(ValueError):
    """A pattern that is none."""


@lru_cache(maxsize=1024)
def compile_glob(pattern: bytes, dialect: Dialect = "person") -> re.Pattern[bytes]:
    """A pattern as a regular expression over a path relative to the root, for its `match`.

    Without a slash, but for one at its end, it is matched against the last component at any depth; with one, against
    the whole path. A slash at the end stands for all that is below such a directory.

    Raises:
        GlobError: it is empty, or has a bracket or brace without its partner.
    """
    text = pattern[2:] if dialect == "person" and pattern.startswith(b"./") else pattern
    anchored = b"/" in text.rstrip(b"/")
    text = text[1:] if text.startswith(b"/") else text
    if not text.strip(b"/"):
        raise GlobError("is empty" if not pattern else "names no file")
    if text.endswith(b"/") and dialect == "person":
        text += b"**"
    body = _Translation(text, dialect).whole()
    prefix = b"" if anchored else rb"(?:.*/)?"
    return re.compile(prefix + b"(?:" + body + rb")\Z", re.DOTALL)


def any_of(globs: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Whether a path is wanted: by one of the globs, if any, and by none of those that begin with `!`.

    Raises:
        GlobError: one of them is no glob; its text is told.
    """
    wanted, unwanted = [], []
    for glob in globs:
        negated = glob.startswith(b"!")
        try:
            (unwanted if negated else wanted).append(compile_glob(glob[negated:]).match)
        except GlobError as error:
            raise GlobError(f"{glob.decode('utf-8', 'backslashreplace')!r} {error}") from error
    return lambda path: (
        (not wanted or any(one(path) for one in wanted)) and not any(one(path) for one in unwanted)
    )


class _Translation:
    """One pass over a pattern."""

    def __init__(self, text: bytes, dialect: Dialect) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._braces = dialect == "person"
        self._one = _CHARACTER if dialect == "person" else rb"[^/]"

    def whole(self) -> bytes:
        parts = []
        while self._at < len(self._text):
            parts.append(self._next())
        if self._depth:
            raise GlobError("has a { without a }")
        return b"".join(parts)

    def _next(self) -> bytes:
        char = self._text[self._at : self._at + 1]
        if char == b"*":
            return self._stars()
        if char == b"[":
            return self._bracket()
        self._at += 1
        if char == b"?":
            return self._one
        if char == b"\\":
            escaped = self._text[self._at : self._at + 1]
            if not escaped:
                raise GlobError("ends in a backslash")
            self._at += 1
            return re.escape(escaped)
        return self._brace(char) if self._braces else re.escape(char)

    def _brace(self, char: bytes) -> bytes:
        if char == b"{":
            self._depth += 1
            return b"(?:"
        if char == b"}" and self._depth:
            self._depth -= 1
            return b")"
        return b"|" if char == b"," and self._depth else re.escape(char)

    def _stars(self) -> bytes:
        start = self._at
        while self._text[self._at : self._at + 1] == b"*":
            self._at += 1
        opens = start == 0 or self._text[start - 1 : start] in (b"/", *((b"{", b",") if self._depth else ()))
        after = self._text[self._at : self._at + 1]
        if self._at - start == 2 and opens:
            if after == b"/":
                self._at += 1
                return rb"(?:.*/)?"
            if not after or (self._depth and after in (b"}", b",")):
                return rb".*" if start == 0 or self._depth else rb".+"
        return rb"[^/]*"

    def _bracket(self) -> bytes:
        """A bracket expression; it never stands for a slash."""
        at = self._at + 1
        negated = self._text[at : at + 1] in (b"!", b"^")
        at += negated
        parts: list[bytes] = []
        first = True
        while True:
            char = self._text[at : at + 1]
            if not char:
                raise GlobError("has a [ without a ]")
            if char == b"]" and not first:
                break
            first = False
            named = re.compile(rb"\[:([a-z]+):\]").match(self._text, at)
            if named and named[1] in _CLASSES:
                parts.append(_CLASSES[named[1]])
                at = named.end()
                continue
            low, at = self._member(at)
            high = low
            if self._text[at : at + 1] == b"-" and self._text[at + 1 : at + 2] not in (b"]", b""):
                high, at = self._member(at + 1)
            if high < low:
                raise GlobError("has a range whose end is before its start")
            parts.append(b"\\x%02x-\\x%02x" % (low, high))
        self._at = at + 1
        return rb"(?!/)[" + (b"^" if negated else b"") + b"".join(parts) + b"]"

    def _member(self, at: int) -> tuple[int, int]:
        at += self._text[at : at + 1] == b"\\"
        if at >= len(self._text):
            raise GlobError("has a [ without a ]")
        return self._text[at], at + 1
