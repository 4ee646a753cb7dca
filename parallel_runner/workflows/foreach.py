"""What a job of a batch file is made for each of: lists, ranges, lines and tables of files, paths, combinations.

Each thing is a set of texts by the names of its placeholders: `{item}`, or the names that the file gives, and
always `{index}`, which counts from 1.
"""

from __future__ import annotations

import csv
import glob
import io
import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from parallel_runner.errors import ParallelRunnerError
from parallel_runner.model.fan_out import MAX_ITEMS
from parallel_runner.settings.documents import read_file
from parallel_runner.workflows.checking import Complain, nearest
from parallel_runner.workflows.filling import names_in

Item = dict[str, str]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_RANGE = re.compile(r"(-?\d{1,15})\.\.(-?\d{1,15})(?:\.\.(-?\d{1,15}))?\Z")
FROM = re.compile(r"(.+)\.(files|lines|json)\Z")
FORMS = {
    "file": ("file",),
    "csv": ("csv", "header", "delimiter"),
    "range": ("range",),
    "from": ("from", "to", "step"),
    "glob": ("glob",),
}
"""The forms by their first key, with all the keys of each."""
_INDEX = "index"


class Wanted:
    """The names that the texts of a job stand for, by its keys, among those that any of its items has."""

    def __init__(self, template: Mapping[str, Any], items: Sequence[Item], *, later: bool = False) -> None:
        """Look through a template; `later` is for records, whose names the batch file does not know."""
        self._names = frozenset().union(*items)
        self._written = {key: found for key, one in template.items() if (found := names_in(one))}
        self._used = {key: used for key, found in self._written.items() if (used := found & self._names)}
        self._all = frozenset().union(*self._used.values())
        doubled = names_in(dict(template), doubled=True)
        self._doubled = {name: "" for name in doubled if name in self._names or (later and _NAME.match(name))}

    def whole(self, item: Item) -> Item:
        """The item with what it lacks and nothing but a `{{name}}` asks for: that is the same text for all."""
        return {**self._doubled, **item} if self._doubled else item

    def unknown(self) -> Iterator[tuple[str, str]]:
        """(key, name) of each that looks like a placeholder, and that no item has a value for."""
        for key, found in self._written.items():
            yield from ((key, name) for name in sorted(found - self._names) if _NAME.match(name))

    def lacking(self, item: Item) -> Iterator[tuple[str, str]]:
        """(key, message) of each name that other items have, and this one has not."""
        if self._all <= item.keys():
            return
        for key, used in self._used.items():
            for name in sorted(used - item.keys()):
                told = f"item {item[_INDEX]} has no {name!r}, which {{{name}}} stands for, and others have"
                yield key, f'{told}; give it one, or "" for nothing'


class Later(NamedTuple):
    """What another job will have found."""

    source: str
    view: str


class ForeachError(ParallelRunnerError):
    """A `foreach` says nothing that can be done."""


def read_foreach(at: Complain, value: Any, here: str) -> list[Item] | Later:
    """What a job is made for each of; empty, having complained, when that cannot be told.

    Args:
        at: where complaints go.
        value: what the file says.
        here: the directory that relative paths are relative to.
    """
    try:
        if isinstance(value, dict) and isinstance(value.get("from"), str) and "to" not in value:
            return _later(value)
        items = list(itertools.islice(_items(value, here), MAX_ITEMS + 1))
    except (ParallelRunnerError, csv.Error) as error:
        at(("foreach",), str(error))
        return []
    if len(items) > MAX_ITEMS:
        at(("foreach",), f"comes to more than {MAX_ITEMS} jobs")
        return []
    if not items:
        at(("foreach",), "comes to nothing: there is not one item")
    return [{**item, _INDEX: str(index)} for index, item in enumerate(items, 1)]


def numbered(texts: Iterable[str]) -> list[Item]:
    """Items of single texts."""
    return [{"item": text, _INDEX: str(index)} for index, text in enumerate(texts, 1)]


def _later(value: Mapping[str, Any]) -> Later:
    _refuse_others(value, ("from",))
    match = FROM.match(value["from"])
    if match is None:
        raise ForeachError(
            f"from: {value['from']!r}: expected JOB.files, JOB.lines or JOB.json, or from, to and step of a range"
        )
    return Later(match[1], match[2])


def _items(value: Any, here: str) -> Iterable[Item]:
    if isinstance(value, dict) and (form := _form(value)) is None:
        return _combinations(value, here)
    if isinstance(value, dict) and form == "csv":
        return _table(value, here)
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return _records(value)
    return [{"item": text} for text in _texts(value, here)]


def _form(value: Mapping[str, Any]) -> str | None:
    """Which form a mapping is; None: names with what each goes through."""
    for first in FORMS:
        if first in value and not isinstance(value[first], (list, dict)):
            return first
    return None


def _texts(value: Any, here: str) -> Sequence[str]:
    """The texts of anything that gives single ones."""
    if isinstance(value, list):
        return [as_text(one) for one in value]
    form = _form(value) if isinstance(value, dict) else None
    if form is None or form == "csv":
        raise ForeachError(f"expected a list, or one of {', '.join(FORMS)}; got {value!r}")
    _refuse_others(value, FORMS[form])
    if form == "file":
        return [
            line for line in read_file(_path(value, "file", here)).replace("\r\n", "\n").split("\n") if line.strip()
        ]
    if form == "glob":
        pattern = _path(value, "glob", "")
        return sorted(glob.glob(pattern, root_dir=here, recursive=True))
    return _range(value)


def _range(value: Mapping[str, Any]) -> Sequence[str]:
    first, last, step = value.get("from"), value.get("to"), value.get("step")
    if "range" in value:
        match = _RANGE.match(str(value["range"]))
        if match is None:
            raise ForeachError(f"range: {value['range']!r}: expected first..last or first..last..step")
        first, last, step = int(match[1]), int(match[2]), int(match[3]) if match[3] else None
    return _steps(first, last, step, value)


def _steps(first: Any, last: Any, step: Any, value: Mapping[str, Any]) -> Sequence[str]:
    numbers = [one for one in (first, last, step) if one is not None]
    if last is None or any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in numbers):
        raise ForeachError(f"expected numbers for from, to and step, got {value!r}")
    step = (1 if last >= first else -1) if step is None else step
    if not step or not all(map(math.isfinite, numbers)):
        raise ForeachError("a range needs a step that is not 0")
    # Half a step more than the distance: 0 to 1 by 0.1 must not end at 0.9 for a rounding error.
    count = max(0, math.floor((last - first) / step + 1e-9) + 1)
    if count > MAX_ITEMS:
        raise ForeachError(f"comes to more than {MAX_ITEMS} jobs")
    return [as_text(round(first + index * step, 12)) for index in range(count)]


def _records(value: Sequence[Any]) -> Iterable[Item]:
    for one in value:
        if not isinstance(one, dict):
            raise ForeachError(f"either all items are mappings or none is; got {one!r} among mappings")
        yield {_name(key): as_text(text) for key, text in one.items()}


def _table(value: Mapping[str, Any], here: str) -> Iterable[Item]:
    _refuse_others(value, FORMS["csv"])
    delimiter = value.get("delimiter", ",")
    header = value.get("header", False)
    if not isinstance(delimiter, str) or len(delimiter) != 1 or not isinstance(header, bool):
        raise ForeachError("expected true or false for header and one character for delimiter")
    text = read_file(_path(value, "csv", here))
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    names = [_name(name) for name in rows.pop(0)] if header and rows else None
    for number, row in enumerate(rows, 1):
        if names is not None and len(row) != len(names):
            raise ForeachError(f"row {number} of {value['csv']} has {len(row)} columns, its header {len(names)}")
        yield dict(zip(names or map(str, range(1, len(row) + 1)), row, strict=True))


def _combinations(value: Mapping[str, Any], here: str) -> Iterable[Item]:
    if not value:
        raise ForeachError("expected a list, a range, a file, or names with a list each")
    known = tuple(itertools.chain(*FORMS.values()))
    lists = {}
    for name, one in value.items():
        if not isinstance(one, (list, dict)):
            raise ForeachError(f"{name}: expected a list, got {one!r}{nearest(name, known)}")
        lists[_name(name)] = _texts(one, here)
    if math.prod(map(len, lists.values())) > MAX_ITEMS:
        raise ForeachError(f"comes to more than {MAX_ITEMS} jobs")
    return (dict(zip(lists, texts, strict=True)) for texts in itertools.product(*lists.values()))


def _name(key: str) -> str:
    if not _NAME.match(key) or key == _INDEX:
        raise ForeachError(f"{key!r} cannot be a placeholder's name; use letters, digits, dashes and underscores")
    return key


def _refuse_others(value: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in value:
        if key not in known:
            raise ForeachError(f"there is no {key!r} beside {known[0]}{nearest(key, known)}")


def _path(value: Mapping[str, Any], key: str, here: str) -> str:
    if not isinstance(value[key], str) or not value[key]:
        raise ForeachError(f"{key}: expected a path, got {value[key]!r}")
    return os.path.join(here, value[key])


def as_text(value: Any) -> str:
    """A single value as it is filled in.

    Raises:
        ForeachError: it is no single value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, (str, int)):
        return "" if value is None else str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    raise ForeachError(f"expected single values, got {value!r}")
