"""The tool `read`: lines of a file."""

from __future__ import annotations

import difflib
import io
import os
import re
import stat
from collections.abc import Sequence
from typing import Any

import msgspec

from parallel_runner.model.ports import Call, JobContext, Launch
from parallel_runner.tools.records import ANSWERED, Records, fail, put, readable

_PEP263 = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LOOK = 8192


class ReadPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a read job reads."""

    path: bytes
    """A regular file."""
    offset: int = 1
    """The first line, from 1."""
    limit: int = 2000
    """How many lines."""
    max_bytes: int = 256 * 1024
    """How much text."""
    max_columns: int = 2000
    """Characters of a line that are shown."""


class ReadTool:
    """Reads parts of files."""

    name = "read"
    read_only = True
    payload_type = ReadPayload
    main_field = "path"

    def check(self, payload: msgspec.Struct) -> Sequence[str]:
        """Limits are counts, and there is a path."""
        assert isinstance(payload, ReadPayload)
        wrong = [] if payload.path and b"\0" not in payload.path else ["path: is no path"]
        keys = ("offset", "limit", "max_bytes", "max_columns")
        return wrong + [f"{key}: must be at least 1" for key in keys if getattr(payload, key) < 1]

    def preload(self) -> None:
        """Nothing to load."""

    def describe(self, payload: msgspec.Struct) -> bytes:
        """The path."""
        assert isinstance(payload, ReadPayload)
        return b"read " + payload.path

    def prepare(self, payload: msgspec.Struct, context: JobContext) -> Launch:
        """Runs in a child of the worker."""
        assert isinstance(payload, ReadPayload)
        return Call(lambda: run_read(payload), partial=True)


class Coding(msgspec.Struct, frozen=True):
    """How a file's bytes become text."""

    encoding: str
    guessed: bool = False
    note: str = ""
    """Why it is not as the file's coding line says."""


def coding_of(head: bytes) -> Coding:
    """By a byte order mark, else a coding line, else UTF-8 if it is that, else Latin-1."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return Coding(name)
    for line in head.splitlines()[:2]:
        match = _PEP263.match(line)
        if match:
            return _as_declared(match[1].decode(), head)
    return Coding(*_guessed(head))


def _as_declared(name: str, head: bytes) -> Coding:
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        return _instead(name, head)
    return Coding(name)


def _instead(declared: str, head: bytes) -> Coding:
    encoding, guessed = _guessed(head)
    return Coding(encoding, guessed, f"its coding line says {declared}, which it is not; read as {encoding}")


def _guessed(head: bytes) -> tuple[str, bool]:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that the look cut in two is no proof against UTF-8.
        if error.start < len(head) - 4 or len(head) < _LOOK:
            return "latin-1", True
    return "utf-8", False


def _decoded(data: bytes, coding: Coding) -> tuple[str, Coding]:
    try:
        return data.decode(coding.encoding, "replace"), coding
    except UnicodeError:
        # Some of Python's encodings cannot replace what they do not know.
        coding = _instead(coding.encoding, data[:_LOOK])
        return data.decode(coding.encoding, "replace"), coding


def run_read(payload: ReadPayload) -> int:
    """Print one span and a summary; returns the exit code."""
    try:
        status = os.stat(payload.path)
        if not stat.S_ISREG(status.st_mode):
            return fail(f"{readable(payload.path)} is no regular file")
        with open(payload.path, "rb") as file:
            head = file.read(_LOOK)
            coding = coding_of(head)
            if b"\0" in head and coding.encoding != "utf-16":
                return fail(f"{readable(payload.path)} is binary ({status.st_size} bytes)")
            file.seek(0)
            return _print_span(payload, file.read(), coding)
    except OSError as error:
        return fail(f"{readable(payload.path)}: {error.strerror}{_near(payload.path)}")


def _print_span(payload: ReadPayload, data: bytes, coding: Coding) -> int:
    decoded, coding = _decoded(data, coding)
    # As grep and editors number them: a form feed or U+2028 ends no line.
    lines = io.StringIO(decoded, newline="\n").readlines()
    wanted = lines[payload.offset - 1 : payload.offset - 1 + payload.limit]
    text, shown, cut = [], 0, 0
    size = 0
    for line in wanted:
        kept = line
        if len(line) > payload.max_columns:
            kept = line[: payload.max_columns] + f"[… {len(line) - payload.max_columns} characters]\n"
            cut += 1
        size += len(kept.encode("utf-8", "replace"))
        if size > payload.max_bytes and shown:
            break
        text.append(kept)
        shown += 1
    last = payload.offset - 1 + shown
    records = Records()
    record: dict[str, Any] = put({"type": "span"}, "path", payload.path)
    record |= {
        "start": payload.offset,
        "end": last,
        "encoding": coding.encoding,
        "encoding_guessed": coding.guessed,
        "eol": "crlf" if b"\r\n" in data[:_LOOK] else "lf",
        "lines_cut": cut,
        # The encoding unicode_escape makes halves of surrogate pairs, which no record can carry.
        "text": "".join(text).encode("utf-8", "replace").decode(),
    }
    records.add(record)
    summary: dict[str, Any] = {
        "type": "summary",
        "engine": "python",
        "lines": len(lines),
        "shown": shown,
        "truncated": last < len(lines),
    }
    notes = [coding.note] if coding.note else []
    if last < len(lines):
        notes.append(f"{len(lines) - last} lines more; offset: {last + 1} goes on")
    if notes:
        summary["notes"] = notes
    records.add(summary)
    records.flush()
    return ANSWERED


def _near(path: bytes) -> str:
    directory, name = os.path.split(path)
    try:
        names = [os.fsdecode(one) for one in os.listdir(directory or b".")]
    except OSError:
        return ""
    found = difflib.get_close_matches(os.fsdecode(name), names, n=3)
    return "; there is: " + ", ".join(found) if found else ""
