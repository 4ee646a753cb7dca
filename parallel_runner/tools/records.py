"""What the codebase tools print: one JSON record a line, closed by a summary."""

from __future__ import annotations

import base64
import errno
import os
from typing import Any

import msgspec

from parallel_runner.descriptors import write_all

ANSWERED = 0
UNANSWERABLE = 2
PARTIAL = 3
"""Answered, but not everything could be looked at: the job succeeds, and is marked partial."""

_json = msgspec.json.Encoder().encode
_FLUSH = 64 * 1024


class Records:
    """Buffered records on descriptor 1."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def add(self, record: dict[str, Any]) -> None:
        """One record."""
        self._buffer += _json(record) + b"\n"
        if len(self._buffer) >= _FLUSH:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered."""
        data, self._buffer = self._buffer, bytearray()
        try:
            write_all(1, data)
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise


def put(record: dict[str, Any], key: str, data: bytes) -> dict[str, Any]:
    """Set `key` to text, and `key_b64` to the bytes when they are not UTF-8."""
    try:
        record[key] = data.decode("utf-8")
    except UnicodeDecodeError:
        record[key] = data.decode("utf-8", "replace")
        record[key + "_b64"] = base64.b64encode(data).decode("ascii")
    return record


def fail(message: str) -> int:
    """Say on descriptor 2 why there is no answer; returns the exit code."""
    os.write(2, (message + "\n").encode("utf-8", "backslashreplace"))
    return UNANSWERABLE


def readable(path: bytes) -> str:
    """A path for a message."""
    return path.decode("utf-8", "backslashreplace")
