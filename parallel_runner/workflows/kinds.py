"""Kinds of values in a batch file: how each is read, what is said when it is not one, and its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from parallel_runner.settings.units import duration_of, share_of, size_of
from parallel_runner.workflows.checking import Complain, nearest


class Kind(NamedTuple):
    """What a value may be."""

    read: Callable[[Any], Any]
    """The value as the program keeps it; None: it is not of this kind."""
    expected: str
    """What to say then: `expected …`."""
    schema: dict[str, Any]


class Key(NamedTuple):
    """A key with its kind and its meaning, which editors show."""

    kind: Kind
    told: str


WRONG = object()
"""What `read_key` gives for a value that was complained about."""

_DURATION = {"oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+[0-9a-zA-Z. ]*$"}]}
_A_SIZE = "^[0-9.]+ *[KMGTkmgt]?i?[bB]?$"
_SIZE = {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _A_SIZE}]}
_WORDS = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_WORD = re.compile(r"[^\s,]+\Z")


def _positive(value: object) -> float | None:
    return duration_of(value) or None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _is_utf8(value) else None


def _is_utf8(text: str) -> bool:
    """Whether a text, which may come from a file's name, can be kept as text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bytes(value: object) -> bytes | None:
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else None


def _regex(value: object) -> str | None:
    try:
        return re.compile(value).pattern if isinstance(value, str) and value and _is_utf8(value) else None
    except re.error:
        return None


def _words(value: object) -> tuple[str, ...] | None:
    words = value if isinstance(value, list) else [value]
    if any(isinstance(one, (bool, dict, list)) or one is None for one in words):
        return None
    texts = tuple(dict.fromkeys(map(str, words)))
    return texts if all(_WORD.match(text) and _is_utf8(text) for text in texts) else None


def whole(least: int, most: int) -> Kind:
    """A whole number from `least` to `most`."""

    def read(value: object) -> int | None:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value):
            value = int(value)  # So placeholders give it.
        return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None

    return Kind(read, f"a number from {least} to {most}", {"type": "integer", "minimum": least, "maximum": most})


def choice(*words: str) -> Kind:
    """One of some words."""
    return Kind(
        lambda value: value if value in words else None, f"one of {', '.join(words)}", {"enum": list(words)}
    )


def _exit_codes(value: object) -> tuple[int, ...] | None:
    codes = value if isinstance(value, list) else [value]
    if not codes or any(isinstance(one, bool) or not isinstance(one, int) or not 0 <= one <= 255 for one in codes):
        return None
    return tuple(codes)


_CODE = {"type": "integer", "minimum": 0, "maximum": 255}
DURATION = Kind(duration_of, "a duration, like 30, 90s or 10min, of at most 300 years", _DURATION)
SPAN = Kind(_positive, "a duration of more than 0 and at most 300 years, like 30, 90s or 10min", _DURATION)
SIZE = Kind(size_of, "a size, like 65536, 512M or 2G, less than 8388608T", _SIZE)
COUNT = Kind(size_of, "a count", _SIZE)
SHARE = Kind(
    share_of,
    "a share, like 0.2 or 20%",
    {"oneOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": "^[0-9.]+ *%$"}]},
)
TEXT = Kind(_text, "text", {"type": "string"})
BYTES = Kind(_bytes, "text", {"type": "string"})
REGEX = Kind(_regex, "a regular expression", {"type": "string", "format": "regex"})
BOOL = Kind(lambda value: value if isinstance(value, bool) else None, "true or false", {"type": "boolean"})
WORDS = Kind(_words, "words without blanks or commas", _WORDS)
EXIT_CODES = Kind(
    _exit_codes, "exit codes from 0 to 255", {"oneOf": [_CODE, {"type": "array", "items": _CODE, "minItems": 1}]}
)


def read_key(at: Complain, path: Sequence[str | int], value: object, kind: Kind) -> Any:
    """A value as the program keeps it, or WRONG, having complained."""
    result = kind.read(value)
    if result is None:
        at(path, f"expected {kind.expected}, got {value!r}")
        return WRONG
    return result


def read_section(
    at: Complain, path: Sequence[str | int], value: Mapping[str, Any], table: Mapping[str, Key]
) -> dict[str, Any]:
    """The keys of a mapping by a table; what is wrong is complained about and left out."""
    result = {}
    for key, one in value.items():
        if key not in table:
            at((*path, key), f"there is no key {key!r} here{nearest(key, tuple(table))}")
            continue
        read = read_key(at, (*path, key), one, table[key].kind)
        if read is not WRONG:
            result[key] = read
    return result


def schema_of(table: Mapping[str, Key]) -> dict[str, Any]:
    """The JSON Schema of a mapping with these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties_of(table)}


def properties_of(table: Mapping[str, Key]) -> dict[str, Any]:
    """The JSON Schemas of keys."""
    return {name: {**key.kind.schema, "description": key.told} for name, key in table.items()}
