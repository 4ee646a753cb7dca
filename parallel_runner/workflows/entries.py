"""One job of a batch file: its tool and what that is given, its terms, what it waits for, what it is called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from parallel_runner.errors import ParallelRunnerError
from parallel_runner.model.fan_out import FanOut
from parallel_runner.model.ports import Tool, public_fields
from parallel_runner.model.terms import Terms
from parallel_runner.settings.documents import Document
from parallel_runner.workflows.checking import Checker, Complain, nearest
from parallel_runner.workflows.filling import PlaceholderError, fill, fill_command
from parallel_runner.workflows.job_terms import TERMS_KEYS, read_terms

JOB_KEYS = ("id", "needs", "foreach")
CONDITIONS = ("succeeded", "failed", "finished")
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_encode = msgspec.msgpack.Encoder().encode


@dataclass
class Entry:
    """One job as it stands in the file."""

    path: tuple[str | int, ...]
    document: Document
    value: Mapping[str, Any]
    finale: bool = False
    """It stands under `finally`."""


@dataclass
class Draft:
    """A job that is about to be."""

    entry: Entry
    name: str = ""
    needs: Sequence[tuple[str, str]] = ()
    """(id of a job or group, condition)."""
    terms: Terms = field(default_factory=Terms)
    payload: bytes = b""
    groups: list[int] = field(default_factory=list)
    """Places of the groups that it belongs to."""
    fan_out: FanOut | None = None
    """For one that becomes many: how; without the place of its source, which is known only by its id."""
    source: str = ""


class _Known(NamedTuple):
    """What is asked of each tool for every job, looked up once."""

    tool: Tool
    fields: tuple[str, ...]
    as_bytes: frozenset[str]


class Lookup:
    """Finds tools, each once."""

    def __init__(self, names: Sequence[str], get: Callable[[str], Tool]) -> None:
        self.names = tuple(names)
        self.keys = frozenset((*JOB_KEYS, *TERMS_KEYS, *names))
        self._get = get
        self._found: dict[str, _Known] = {}

    def __call__(self, name: str) -> _Known:
        """A tool by name.

        Raises:
            ParallelRunnerError: it cannot be loaded.
        """
        if name not in self._found:
            tool = self._get(name)
            fields = public_fields(tool.payload_type)
            as_bytes = frozenset(one.name for one in fields if "bytes" in str(one.type))
            self._found[name] = _Known(tool, tuple(one.name for one in fields), as_bytes)
        return self._found[name]

    def tool_of(self, at: Complain, value: Mapping[str, Any]) -> str:
        """The one tool that a job names; empty, having complained, when it is not one."""
        named = [key for key in value if key in self.names]
        if len(named) == 1:
            return named[0]
        told = f"has {' and '.join(named)}" if named else "has none"
        at((), f"a job has exactly one tool ({', '.join(self.names)}); this one {told}")
        return ""


def check_keys(entry: Entry, checker: Checker, lookup: Lookup) -> None:
    """Complain about keys that no job has."""
    if not entry.value.keys() <= lookup.keys:
        known = (*JOB_KEYS, *TERMS_KEYS, *lookup.names)
        checker.known(entry.document, entry.path, entry.value, known)


def read_job(
    at: Complain, value: Mapping[str, Any], lookup: Lookup, base: Terms, here: str, *, lax: bool = False
) -> tuple[Terms, bytes] | None:
    """The terms and the payload of a job; None, having complained, when its tool cannot be used.

    Args:
        at: where complaints go.
        value: the job's keys, without placeholders.
        lookup: finds its tool.
        base: terms that hold where it says nothing.
        here: the directory that relative directories are relative to.
        lax: numbers may be given as text, as placeholders give them.
    """
    name = lookup.tool_of(at, value)
    if not name:
        return None
    terms = read_terms(at, value, base, here)
    if terms.tool != name:
        terms = msgspec.structs.replace(terms, tool=name)
    try:
        known = lookup(name)
    except ParallelRunnerError as error:
        at((name,), str(error))
        return None
    return terms, _read_payload(at, known, value[name], lax)


def _read_payload(at: Complain, known: _Known, value: Any, lax: bool) -> bytes:
    tool = known.tool
    fields = value if isinstance(value, dict) else {tool.main_field: value}
    wrong = [key for key in fields if key not in known.fields]
    for key in wrong:
        at((tool.name, key), f"{tool.name} has no {key!r}{nearest(key, known.fields)}")
    if wrong:
        return b""
    declared = {key: to_bytes(item) if key in known.as_bytes else item for key, item in fields.items()}
    try:
        payload = msgspec.convert(declared, tool.payload_type, builtin_types=(bytes,), strict=not lax)
    except msgspec.ValidationError as error:
        at((tool.name,), _in_words(str(error)))
        return b""
    for complaint in tool.check(payload):
        key, _, message = complaint.partition(": ")
        at((tool.name, key) if isinstance(value, dict) else (tool.name,), message or complaint)
    return _encode(payload)


def _in_words(message: str) -> str:
    if "`bool`" in message:
        message += "; put it in quotes"
    return message.replace("`bytes`", "text").replace("`str`", "text").replace("`int`", "a number")


def to_bytes(value: Any) -> Any:
    """Every text as bytes: paths, patterns and commands are bytes in the model."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [to_bytes(item) for item in value]
    if isinstance(value, dict):
        return {key: to_bytes(item) for key, item in value.items()}
    return value


def fill_job(at: Complain, value: Mapping[str, Any], tool: str, values: Mapping[str, str]) -> dict[str, Any]:
    """A job's keys with placeholders filled in: quoted in command lines, as they are elsewhere."""
    filled = {}
    for key, one in value.items():
        if key in JOB_KEYS:
            continue
        try:
            commands = key == "validate" or key == tool == "bash"
            filled[key] = _fill_commands(one, values) if commands else fill(one, values)
        except PlaceholderError as error:
            at((key,), str(error))
            filled[key] = one
    return filled


def _fill_commands(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return fill_command(value, values)
    if not isinstance(value, dict):
        return fill(value, values)
    filled = fill(value, values)
    if isinstance(value.get("command"), str):
        shell = "sh" if value.get("shell") == "sh" else "bash"
        filled["command"] = fill_command(value["command"], values, shell=shell)
    return filled


def read_id(at: Complain, value: Any) -> str:
    """A job's id; empty when it has none, or, having complained, when it cannot be one."""
    if value is None:
        return ""
    if isinstance(value, (str, int)) and not isinstance(value, bool) and _ID.match(str(value)):
        return str(value)
    at(("id",), f"expected letters, digits, dots, dashes or underscores, got {value!r}")
    return ""


def as_id(text: str) -> str:
    """A text as an id: what cannot stand in one becomes a dash."""
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:200]
    return kept if _ID.match(kept) else f"_{kept}"


def read_needs(at: Complain, value: Any, *, when: str = "succeeded") -> list[tuple[str, str]]:
    """What a job waits for: (id, condition)."""
    if value is None:
        return []
    if isinstance(value, dict):
        for key in value:
            if key not in ("after", "when"):
                at(("needs", key), f"needs has no {key!r}{nearest(key, ('after', 'when'))}")
        when = value.get("when", when)
        if when not in CONDITIONS:
            at(("needs", "when"), f"expected one of {', '.join(CONDITIONS)}, got {when!r}")
            return []
        value = value.get("after")
    needs: list[tuple[str, str]] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            needs += read_needs(at, one)
        elif isinstance(one, (str, int)) and not isinstance(one, bool):
            needs.append((str(one), when))
        else:
            at(("needs",), f"expected ids of jobs, got {one!r}")
    return needs
