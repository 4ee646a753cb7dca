"""Text that others wrote, made fit for a terminal: one line, bounded, and nothing that moves the cursor. Pure."""

from __future__ import annotations

import re
import unicodedata

# What colours and titles are made of; dropped whole, so that the words between them stay readable.
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])"
)
_BREAKS = frozenset("\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_ENOUGH = 16
"""Bytes of input for each column that is wanted: escapes and combining marks take bytes and no column."""


def one_line(text: bytes | str, width: int) -> str:
    """Text in at most `width` columns; what is longer ends in `…`. What cannot be seen is spelled out."""
    if isinstance(text, bytes):
        text = text[: width * _ENOUGH].decode("utf-8", "backslashreplace")
    # A tab is a blank as far as people are concerned.
    text = _SEQUENCE.sub("", text[: width * _ENOUGH]).replace("\t", " ").rstrip("\r\n ")
    told: list[str] = []
    used = 0
    for char in text:
        shown = char if char.isprintable() else " " if char.isspace() and char not in _BREAKS else _spelled(char)
        columns = sum(map(_columns, shown))
        if used + columns > width:
            return _shortened(told, used, width) + "…"
        told.append(shown)
        used += columns
    return "".join(told)


def first_line(data: bytes, width: int) -> str:
    """The first line that has something on it, as `one_line` shows it."""
    for line in data.splitlines():
        if told := one_line(line, width).strip():
            return told
    return ""


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _shortened(told: list[str], used: int, width: int) -> str:
    """Without what the `…` needs room of."""
    while told and used > width - 1:
        used -= columns(told.pop())
    return "".join(told)
