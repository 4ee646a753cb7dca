"""Glob patterns over bytes, as ripgrep and git write them: `*`, `?`, `[…]`, `{a,b}`, `**`. Pure."""

from __future__ import annotations

import re
from functools import lru_cache


class GlobError(ValueError):
    """A pattern that is none."""


@lru_cache(maxsize=512)
def compile_glob(pattern: bytes) -> re.Pattern[bytes]:
    """A pattern as a regular expression over a path relative to the root.

    Without a slash it is matched against the last component at any depth, with one against the whole path.

    Raises:
        GlobError: unbalanced brackets.
    """
    if not pattern:
        raise GlobError("the pattern is empty")
    text = pattern.lstrip(b"/") if pattern.startswith(b"/") else pattern
    body = _translate(text)
    prefix = b"" if b"/" in pattern.rstrip(b"/") else rb"(?:.*/)?"
    try:
        return re.compile(prefix + body + rb"\Z", re.DOTALL)
    except re.error as error:
        raise GlobError(f"is no glob: {error}") from error


def _translate(text: bytes) -> bytes:
    out, i, depth = [], 0, 0
    while i < len(text):
        char = text[i : i + 1]
        if text.startswith(b"**/", i) and (i == 0 or text[i - 1 : i] == b"/"):
            out.append(rb"(?:.*/)?")
            i += 3
            continue
        if text.startswith(b"**", i) and i + 2 == len(text) and (i == 0 or text[i - 1 : i] == b"/"):
            out.append(rb".*")
            i += 2
            continue
        if char == b"[":
            end = text.find(b"]", i + 2)
            if end < 0:
                raise GlobError("has a [ without a ]")
            inner = text[i + 1 : end].replace(b"\\", rb"\\")
            out.append(b"[" + (b"^/" + inner[1:] if inner[:1] in (b"!", b"^") else inner) + b"]")
            i = end + 1
            continue
        if char == b"\\" and i + 1 < len(text):
            out.append(re.escape(text[i + 1 : i + 2]))
            i += 2
            continue
        depth += (char == b"{") - (char == b"}" and depth > 0)
        out.append(_simple(char, depth))
        i += 1
    if depth:
        raise GlobError("has a { without a }")
    return b"".join(out)


def _simple(char: bytes, depth: int) -> bytes:
    if char == b"*":
        return rb"[^/]*"
    if char == b"?":
        return rb"[^/]"
    if char == b"{":
        return rb"(?:"
    if char == b"}":
        return rb")"
    if char == b"," and depth:
        return rb"|"
    return re.escape(char)
