"""Durations, shares and sizes as people write them."""

from __future__ import annotations

import re

from parallel_runner.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B?)\Z", re.IGNORECASE)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h|d)\Z", re.IGNORECASE)
_PARTS = re.compile(r"\d+(?:\.\d+)?\s*[a-z]+", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_POWERS = "KMGT"
MAX_SIZE = 2**63 - 1
"""Bytes; what the system and the journal can hold."""
MAX_SECONDS = 300 * 365 * 86400.0
"""Three hundred years: what is longer is a slip of the pen, and dates that far off cannot be told."""


def size_of(value: object) -> int | None:
    """Bytes: an int, or `64K`, `2G` (powers of 1024), `2GB` (powers of 1000, as GNU has it).

    None: neither, or more than MAX_SIZE.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value <= MAX_SIZE else None
    match = _SIZE.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    number, power, suffix = match.groups()
    base = 1000 if suffix.upper() == "B" and power else 1024
    count = int(number) if "." not in number and len(number) < 20 else float(number)
    size = count * base ** (_POWERS.index(power.upper()) + 1 if power else 0)
    # Compared before it becomes an int: a float of many digits is infinite.
    return int(size) if size <= MAX_SIZE else None


def duration_of(value: object) -> float | None:
    """Seconds: a number, or `30s`, `5min`, `2h`, `1d`, `1h30m`. None: neither, or more than MAX_SECONDS."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = _seconds_in(value.strip())
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= MAX_SECONDS else None


def _seconds_in(text: str) -> float | None:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _PARTS.findall(text)
    if not parts or "".join(parts) != text:
        return None
    total = 0.0
    for part in parts:
        match = _PART.match(part)
        if match is None:
            return None
        total += float(match[1]) * _SECONDS[match[2].lower()]
    return total


def share_of(value: object) -> float | None:
    """A share from 0 to 1: `0.2` or `20%`. None: neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?\s*%", value.strip()):
        value = float(value.strip().rstrip("% ")) / 100
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= 1 else None


def parse_size(text: str, name: str) -> int:
    """A size from the command line. As GNU parallel has it, `K` is 1024 and `k` is 1000.

    Raises:
        UsageError: it is none.
    """
    if re.fullmatch(r"\d+(\.\d+)?[kmgt]", text):
        text = text.upper() + "B"
    size = size_of(text)
    if size is None:
        raise UsageError(f"{name} {text}: expected bytes, like 1048576, 64K, 50M or 2G, and less than 8388608T")
    return size
