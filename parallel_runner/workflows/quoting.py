"""Making one piece of shell text of any bytes, wherever in a command it is put. Pure.

`'a b'` is right for a value that stands free; within double quotes it would let `$(…)` in the value run. So a
template is read once, as far as quotes, comments and here-documents go, and each placeholder is filled in as its
place asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from parallel_runner.errors import UsageError

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


_QUOTERS: dict[str, Quoter] = {"": quote, "'": in_single, '"': in_double, "$'": in_ansi, "#": in_comment}
_WORD_START = b" \t\n;&|()"


class _Scanner:
    """Where in the shell's quoting a text stands."""

    def __init__(self) -> None:
        self.stack = [""]
        """What is open: '' command, ' " $' # ` and ( for a command in $( )."""
        self.escaped = False
        self.before = b"\n"
        self.here_document = False
        """A here-document was announced; it begins with the next line."""
        self.in_here_document = False

    def feed(self, text: bytes) -> None:
        """Read on."""
        at = 0
        while at < len(text):
            at += self._step(text, at)

    def _step(self, text: bytes, at: int) -> int:
        char, top = text[at : at + 1], self.stack[-1]
        if self.escaped:
            self.escaped = False
            self.before = b"x"
            return 1
        if top == "'":
            self._close_at(char, b"'")
        elif top == "#":
            self._close_at(char, b"\n")
            self.before = char
        elif char == b"\\":
            self.escaped = True
        elif top == "$'":
            self._close_at(char, b"'")
        elif top == '"':
            return self._in_double(text, at, char)
        else:
            return self._in_command(text, at, char)
        return 1

    def _close_at(self, char: bytes, closing: bytes) -> None:
        if char == closing:
            self.stack.pop()

    def _in_double(self, text: bytes, at: int, char: bytes) -> int:
        if char == b'"':
            self.stack.pop()
        elif text[at : at + 2] == b"$(":
            self.stack.append("(")
            self.before = b"("
            return 2
        elif char == b"`":
            self._backtick()
        return 1

    def _in_command(self, text: bytes, at: int, char: bytes) -> int:
        if text[at : at + 2] == b"$'":
            self.stack.append("$'")
            return 2
        if char in (b"'", b'"'):
            self.stack.append(char.decode())
        elif char == b"#" and self.before in _WORD_START:
            self.stack.append("#")
        elif char == b"`":
            self._backtick()
        elif char == b"(":
            self.stack.append("(")
        elif char == b")" and self.stack[-1] == "(":
            self.stack.pop()
        elif text[at : at + 2] == b"<<":
            self.here_document = self.here_document or text[at : at + 3] != b"<<<"
            self.before = b"<"
            return 3 if text[at : at + 3] == b"<<<" else 2
        elif char == b"\n" and self.here_document:
            self.in_here_document = True
        self.before = char
        return 1

    def _backtick(self) -> None:
        if self.stack[-1] == "`":
            self.stack.pop()
        else:
            self.stack.append("`")


def quoters(texts: Sequence[bytes], raw: Sequence[bool]) -> list[Quoter]:
    """How to fill in the placeholders between `texts`; `raw` says of which ones nothing is to be quoted.

    Raises:
        UsageError: a placeholder stands where no quoting is safe.
    """
    scanner = _Scanner()
    found: list[Quoter] = []
    for text, as_it_is in zip(texts, raw, strict=False):
        scanner.feed(text)
        if as_it_is:
            found.append(unquoted)
            continue
        if scanner.escaped:
            raise UsageError("a backslash stands before a placeholder in the template; take it away")
        if scanner.in_here_document:
            raise UsageError(
                "a placeholder in a here-document cannot be quoted safely; "
                "put it outside, or write {:raw} where the values are trusted"
            )
        top = scanner.stack[-1]
        if "`" in scanner.stack:
            raise UsageError("a placeholder within backticks cannot be quoted safely; use $(…) instead")
        found.append(_QUOTERS.get(top, quote))
        scanner.before = b"x"
    return found
