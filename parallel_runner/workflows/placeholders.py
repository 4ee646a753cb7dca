"""Placeholders of a command template: which values they stand for, and what is made of those. Pure.

The names and meanings are GNU parallel's. Nothing in a template is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple


def without_extension(value: bytes) -> bytes:
    """`{.}`: up to the last dot of the last component."""
    cut = _cut(value, 1)
    return value if cut is None else value[:cut]


def basename(value: bytes) -> bytes:
    """`{/}`: behind the last slash."""
    return value[value.rfind(b"/") + 1 :]


def dirname(value: bytes) -> bytes:
    """`{//}`: the directory, as dirname(1) has it."""
    bare = value.rstrip(b"/")
    if value and not bare:
        return b"/"
    if b"/" not in bare:
        return b"."
    if bare != value and b"/" not in bare.lstrip(b"/"):
        return b"/"
    return bare[: bare.rfind(b"/")].rstrip(b"/") or b"/"


def bare_name(value: bytes) -> bytes:
    """`{/.}`: the last component without its extension."""
    return without_extension(basename(value))


def _cut(value: bytes, count: int) -> int | None:
    """Where the last `count` extensions of the last component begin; None when it has fewer."""
    end, slash = len(value), value.rfind(b"/")
    for _ in range(count):
        end = value.rfind(b".", 0, end)
        if end <= slash:
            return None
    return end


def _extensions_off(count: int) -> Callable[[bytes], bytes]:
    return lambda value: value[:cut] if (cut := _cut(value, count)) is not None else value


def _extensions_of(count: int) -> Callable[[bytes], bytes]:
    return lambda value: value[cut + 1 :] if (cut := _cut(value, count)) is not None else b""


def _directory_of(value: bytes) -> bytes:
    return value[: value.rfind(b"/")] if b"/" in value else b""


FORMS: dict[bytes, Callable[[bytes], bytes]] = {
    b"": lambda value: value,
    b".": without_extension,
    b"/": basename,
    b"//": dirname,
    b"/.": bare_name,
}
"""What may stand behind a number or a name in a placeholder."""

PLUS_FORMS: dict[bytes, Callable[[bytes], bytes]] = {
    b"..": _extensions_off(2),
    b"...": _extensions_off(3),
    b"/..": lambda value: _extensions_off(2)(basename(value)),
    b"/...": lambda value: _extensions_off(3)(basename(value)),
    b"+/": _directory_of,
    b"+.": _extensions_of(1),
    b"+..": _extensions_of(2),
    b"+...": _extensions_of(3),
}
"""The further ones of `--plus`."""


class Mark(NamedTuple):
    """One placeholder."""

    kind: str
    """values | seq | slot | total | padded (the place, as wide as the total)."""
    place: int | None = None
    """Which value, from 1, or from the end when negative; None: all of them, joined by blanks."""
    form: Callable[[bytes], bytes] = FORMS[b""]
    raw: bool = False
    """Not quoted."""

    def of(self, values: Sequence[bytes], quote: Callable[[bytes], bytes]) -> bytes:
        """What stands there for these values; a value that is not there is empty."""
        quoted = _as_it_is if self.raw else quote
        if self.place is None:
            return b" ".join([quoted(self.form(value)) for value in values])
        value = _at(values, self.place)
        return b"" if value is None else quoted(self.form(value))


def _as_it_is(value: bytes) -> bytes:
    return value


def _at(values: Sequence[bytes], place: int) -> bytes | None:
    index = place - 1 if place > 0 else len(values) + place
    return values[index] if 0 <= index < len(values) else None


class Parts(NamedTuple):
    """A text cut at its placeholders: `texts` has one more than `marks`."""

    texts: list[bytes]
    marks: list[Mark]


Renames = tuple[tuple[bytes, bytes], ...]
"""(placeholder as it is known, what is written instead)."""


class Reader:
    """Finds placeholders."""

    def __init__(self, names: Sequence[bytes] = (), *, renames: Renames = (), plus: bool = False) -> None:
        """Know `names` of columns, other spellings of placeholders, and whether the further forms are offered."""
        self._names = {name: place for place, name in reversed(list(enumerate(names, 1)))}
        self._forms = FORMS | PLUS_FORMS if plus else FORMS
        self._renames = renames
        self.all_values = dict(renames).get(b"{}", b"{}")
        """What is written for all values."""
        forms = b"|".join(re.escape(form) for form in sorted(self._forms, key=len, reverse=True) if form)
        named = b"|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True) if name)
        which = rb"-?[1-9]\d*" + (b"|" + named if named else b"")
        pattern = rb"\{(?:(?P<count>#" + (b"|##|0#" if plus else b"") + rb"|%)|(?P<which>" + which + rb")?"
        pattern += rb"(?P<form>" + forms + rb")?(?P<raw>:raw)?)\}"
        if renames:
            # `-I` renames `{}` alone: that is no placeholder then, but `{.}` and `{1}` still are.
            known = b"|".join(re.escape(old) for old, _ in renames)
            longest = sorted(enumerate(renames), key=lambda one: -len(one[1][1]))
            spelt = b"|".join(b"(?P<r%d>%b)" % (place, re.escape(new)) for place, (_, new) in longest)
            pattern = spelt + b"|(?!" + known + b")" + pattern
        self._pattern = re.compile(pattern)

    def read(self, text: bytes) -> Parts:
        """Cut a text at its placeholders."""
        texts, marks = [], []
        end = 0
        for match in self._pattern.finditer(text):
            texts.append(text[end : match.start()])
            marks.append(self._mark(match))
            end = match.end()
        texts.append(text[end:])
        return Parts(texts, marks)

    def _mark(self, match: re.Match[bytes]) -> Mark:
        groups = match.groupdict()
        for index, (old, _) in enumerate(self._renames):
            if groups[f"r{index}"] is not None:
                return Reader().read(old).marks[0]
        if groups["count"] is not None:
            return Mark(_COUNTS[groups["count"]])
        which: bytes | None = groups["which"]
        place = None if which is None else self._names.get(which) or int(which)
        return Mark("values", place, self._forms[groups["form"] or b""], raw=groups["raw"] is not None)


_COUNTS = {b"#": "seq", b"%": "slot", b"##": "total", b"0#": "padded"}
