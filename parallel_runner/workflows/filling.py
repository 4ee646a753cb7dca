"""Placeholders of `foreach`: `{item}`, or `{name}` of a combination or record. Pure.

What is filled in is data. In a command line it is quoted as the place demands where it stands: bare, in double or
in single quotes. Where no quoting is safe (a here-document, backquotes, `${…}`, arithmetic, a comment) only values
that need none are let in. `{item:raw}` fills in without quotes, `{{item}}` is the text `{item}`, and what is no
placeholder stays as it is: `${item}`, `{print $1}`, `{{.ID}}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from parallel_runner.errors import DataError
from parallel_runner.workflows.quoting import Place, Scanner, quote

_PLAIN = re.compile(r"[A-Za-z0-9_%+,\-./:@]+\Z")
_ANY_NAME = re.compile(r"(\$?)(\{\{?)([^{}]+?)(:raw)?(\}\}?)")


class PlaceholderError(DataError):
    """A value cannot be filled in where its placeholder stands."""


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    inner = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(\$?)(\{{{{?)({inner})(:raw)?(\}}}}?)")


def has_placeholder(text: str, names: tuple[str, ...]) -> bool:
    """Whether some placeholder of these names is in a text."""
    return any(not _is_text(match) for match in _pattern(names).finditer(text)) if "{" in text else False


def names_in(value: Any, *, doubled: bool = False) -> frozenset[str]:
    """What stands in the texts of a value as `{name}`, or as `{{name}}`, whether anything has that name or not."""
    if isinstance(value, str):
        found = (match for match in _ANY_NAME.finditer(value) if not match[1] and _is_text(match) == doubled)
        return frozenset(match[3] for match in found)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return frozenset().union(*(names_in(part, doubled=doubled) for part in parts))


def _is_text(match: re.Match[str]) -> bool:
    return bool(match[1]) or (match[2] == "{{" and match[5] == "}}")


def _around(match: re.Match[str], value: str) -> str:
    return match[2][1:] + value + match[5][1:]


def _literal(match: re.Match[str]) -> str:
    return match[0] if match[1] else match[0][1:-1]


def fill(value: Any, values: Mapping[str, str]) -> Any:
    """A value of a batch file with placeholders filled in, as they are, in all the texts in it."""
    if isinstance(value, str):
        if "{" not in value:
            return value

        def replaced(match: re.Match[str]) -> str:
            return _literal(match) if _is_text(match) else _around(match, values[match[3]])

        return _pattern(tuple(values)).sub(replaced, value)
    if isinstance(value, list):
        return [fill(one, values) for one in value]
    if isinstance(value, dict):
        return {key: fill(one, values) for key, one in value.items()}
    return value


def fill_command(text: str, values: Mapping[str, str], *, shell: str = "bash") -> str:
    """A command line with placeholders filled in, each value quoted for the place where it stands.

    Raises:
        PlaceholderError: a value stands where no quoting is safe, and needs some.
    """
    if "{" not in text:
        return text
    pieces: list[str] = []
    last = 0
    for match, place in _places(text, tuple(values), shell):
        pieces.append(text[last : match.start()])
        last = match.end()
        if _is_text(match):
            pieces.append(_literal(match))
            continue
        value = values[match[3]]
        pieces.append(_around(match, value if match[4] else _quoted(value, place, match[0])))
    return "".join((*pieces, text[last:]))


def _quoted(value: str, place: Place, mark: str) -> str:
    if _PLAIN.match(value):
        return value
    if place is Place.SINGLE:
        return value.replace("'", "'\\''")
    if place in (Place.OPAQUE, Place.ANSI, Place.COMMENT):
        raise PlaceholderError(
            f"{mark} stands where {value!r} cannot be quoted (a here-document, backquotes, ${{…}}, arithmetic or a "
            f"comment); use env or stdin, or say {mark[:-1]}:raw}}"
        )
    word = quote(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    return f'"{word}"' if place is Place.DOUBLE else word


@lru_cache(maxsize=256)
def _places(text: str, names: tuple[str, ...], shell: str) -> tuple[tuple[re.Match[str], Place], ...]:
    matches = tuple(_pattern(names).finditer(text))
    scanner = Scanner(text, shell)
    return tuple((match, scanner.place(match.start(), match.end())) for match in matches)
