"""Making one piece of shell text of any bytes, wherever in a command it is put. Pure.

`'a b'` is right for a value that stands free; within double quotes it would let `$(…)` in the value run. So a
template is read once, as far as quotes, comments and here-documents go, and each placeholder is filled in as its
place asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum

from parallel_runner.errors import DataError

_PLAIN = re.compile(rb"[A-Za-z0-9_+./-]+\Z")
_SPECIAL_IN_DOUBLE = re.compile(rb'[\\"$`]')
Quoter = Callable[[bytes], bytes]


def quote(value: bytes) -> bytes:
    """One word of shell, whatever the bytes; written as GNU parallel writes it."""
    if _PLAIN.match(value):
        return value
    if b"'" not in value:
        return b"'" + value + b"'"
    quoted = b"'" + value.replace(b"'", b"'\"'\"'") + b"'"
    return quoted.removeprefix(b"''").removesuffix(b"''")


def unquoted(value: bytes) -> bytes:
    """The value as it is."""
    return value


def in_single(value: bytes) -> bytes:
    """Part of a word in single quotes."""
    return value.replace(b"'", b"'\\''")


def in_double(value: bytes) -> bytes:
    """Part of a word in double quotes."""
    return _SPECIAL_IN_DOUBLE.sub(lambda match: b"\\" + match[0], value)


def in_ansi(value: bytes) -> bytes:
    """Part of a word in `$'…'`."""
    return value.replace(b"\\", b"\\\\").replace(b"'", b"\\'")


def in_comment(value: bytes) -> bytes:
    """Part of a comment, which must not end."""
    return value.replace(b"\n", b" ")


class Place(Enum):
    """Where in a command line a placeholder stands."""

    BARE = "bare"
    DOUBLE = "in double quotes"
    SINGLE = "in single quotes"
    ANSI = "in $'…'"
    COMMENT = "in a comment"
    OPAQUE = "where no quoting is safe"


def _only_plain(value: bytes) -> bytes:
    if _PLAIN.match(value):
        return value
    told = value[:60].decode("utf-8", "backslashreplace")
    raise DataError(
        f"{told!r} cannot be quoted where its placeholder stands in the template (backquotes, ${{…}}, arithmetic, "
        "a here-document, behind a backslash); use $(…), or {:raw} where the values are trusted"
    )


_QUOTERS: dict[Place, Quoter] = {
    Place.BARE: quote,
    Place.SINGLE: in_single,
    Place.DOUBLE: in_double,
    Place.ANSI: in_ansi,
    Place.COMMENT: in_comment,
    Place.OPAQUE: _only_plain,
}


def quoters(texts: Sequence[bytes], raw: Sequence[bool], shell: str = "bash") -> list[Quoter]:
    """How to fill in the placeholders between `texts`; `raw` says of which ones nothing is to be quoted.

    Where no quoting is safe, the quoter lets plain values through and raises DataError for others.
    """
    # A letter stands for each placeholder: all that matters is that it is part of a word.
    text = "x".join(one.decode("latin-1") for one in texts)
    scanner = Scanner(text, shell)
    found: list[Quoter] = []
    start = 0
    for one, as_it_is in zip(texts, raw, strict=False):
        start += len(one)
        place = scanner.place(start, start + 1)
        found.append(unquoted if as_it_is else _QUOTERS[place])
        start += 1
    return found


_OPAQUE = frozenset({"`", "${", "(("})
_PLACES = {"'": Place.SINGLE, '"': Place.DOUBLE, "$'": Place.ANSI, "#": Place.COMMENT}


class Scanner:
    """Reads a command line just closely enough to know which quotes are open. In doubt, nothing is safe."""

    def __init__(self, text: str, shell: str) -> None:
        self._text = text
        self._sh = shell == "sh"
        # An unbalanced parenthesis of a case pattern looks like the end of a substitution.
        self._has_case = re.search(r"\bcase\b", text) is not None
        self._at = 0
        self._open: list[str] = []
        self._lost = False
        self._escaped = -1
        """Where the last escaped character stands."""

    def place(self, start: int, end: int) -> Place:
        """Where a placeholder stands; called from left to right."""
        while self._at < start:
            self._step()
        overrun, self._at = self._at > start, max(self._at, end)
        if self._lost or overrun or any(one in _OPAQUE for one in self._open):
            return Place.OPAQUE
        return _PLACES.get(self._open[-1] if self._open else "", Place.BARE)

    def _step(self) -> None:
        """Past the next character, or what it begins."""
        text, at = self._text, self._at
        here, top = text[at], self._open[-1] if self._open else ""
        self._at += 1
        if top == "'":
            self._close_if(here == "'")
        elif top == "#":
            self._close_if(here == "\n")
        elif here == "\\":
            self._escaped = self._at
            self._at += 1
        elif top == "$'":
            self._close_if(here == "'")
        elif top == "`":
            self._close_if(here == "`")
        elif top == '"' and here == '"':
            self._close_if(True)
        elif here == "`":
            self._open.append("`")
        elif here == "$":
            self._dollar(at, quoted=top == '"')
        elif top != '"':
            self._bare(here, at, top)

    def _close_if(self, end: bool) -> None:
        if end:
            self._open.pop()

    def _dollar(self, at: int, *, quoted: bool) -> None:
        text = self._text
        if text.startswith("$((", at):
            self._open += ["((", "(("]
            self._at += 2
        elif text.startswith("$(", at):
            self._open.append("$(")
            self._lost = self._lost or self._has_case
            self._at += 1
        elif text.startswith("${", at):
            self._open.append("${")
            self._at += 1
        elif text.startswith("$'", at) and not quoted:
            # dash knows no such quotes.
            self._lost = self._lost or self._sh
            self._open.append("$'")
            self._at += 1
        elif text.startswith("$[", at):
            self._lost = True  # Old arithmetic; where it ends is not worth knowing.

    def _bare(self, here: str, at: int, top: str) -> None:
        text = self._text
        if here in "'\"":
            # Within `${…}` it may be a quote or none, by what is around it.
            self._lost = self._lost or top == "${"
            self._open.append(here)
        elif (here == "}" and top == "${") or (here == ")" and top in ("(", "((", "$(")):
            self._open.pop()
        elif here == "(" and top != "${":
            twice = text.startswith("((", at)
            self._open += ["((", "(("] if twice else ["((" if top == "((" else "("]
            self._at += twice
        elif here == "#" and top != "${" and top != "((" and (at == 0 or text[at - 1] in " \t\n;&|()"):
            if at == 0 or self._escaped != at - 1:
                self._open.append("#")
            elif text[at - 1] == "\n":
                self._lost = True  # The line goes on: in a word, or between words.
        elif here == "<" and text.startswith("<<<", at):
            self._at += 2
        elif here == "<" and text.startswith("<<", at):
            self._lost = True  # What comes after may be a here-document, which quotes mean nothing to.
