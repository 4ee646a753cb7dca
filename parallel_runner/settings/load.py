"""Settings from files, environment and flags: checked as a whole, each value with where it came from.

Precedence: flag, environment, overrides.yaml, learned.yaml, the home's files, built-in.
"""

from __future__ import annotations

import difflib
import os
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from parallel_runner.errors import ConfigError, DataError, InputUnreadableError, Problem
from parallel_runner.settings.catalogue import (
    ALIASES,
    FILES,
    LEARNED,
    OVERRIDES,
    Entry,
    Settings,
    entries,
    extra,
    fields_of,
    plain,
    section_of,
    value_of,
)
from parallel_runner.settings.documents import Document, parse_yaml, read_file
from parallel_runner.settings.units import duration_of, share_of, size_of
from parallel_runner.version import __version__

PREFIX = "PARALLEL_RUNNER__"
"""Environment variables of settings: this and the key in capitals, two underscores for each dot."""
LEARN_LOW, LEARN_HIGH = 0.5, 2.0


@dataclass(frozen=True)
class Loaded:
    """Settings in force."""

    settings: Settings
    sources: Mapping[str, str] = field(default_factory=dict)
    """By full key: `file:line`, the variable, or the flag. Keys that are not here have their built-in value."""

    def source_of(self, key: str) -> str:
        """Where a value came from."""
        return self.sources.get(key, "built-in")


class _Gathering:
    """Values and problems, layer over layer."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.problems: list[Problem] = []

    def put(self, key: str, value: Any, source: str) -> None:
        self.values[key] = value
        self.sources[key] = source


def load_cached(config: str, environ: Mapping[str, str], cache: str) -> Loaded:
    """As `load`, without parsing YAML again while no file has changed.

    Args:
        config: the home's config directory.
        environ: the environment; with settings in it nothing is cached.
        cache: file for what was loaded; rubbish in it is the same as none.

    Raises:
        ConfigError: with everything that is wrong in all files.
    """
    if any(name.startswith(PREFIX) for name in environ):
        return load(config, environ)
    fingerprint = _fingerprint(config)
    try:
        with open(cache, "rb") as file:
            known, settings, sources = msgspec.msgpack.decode(
                file.read(), type=tuple[str, Settings, dict[str, str]]
            )
        if known == fingerprint:
            return Loaded(settings, sources)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        pass
    loaded = load(config, environ)
    try:
        temporary = f"{cache}.{os.getpid()}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(msgspec.msgpack.encode((fingerprint, loaded.settings, dict(loaded.sources))))
        os.replace(temporary, cache)
    except OSError:
        return (
            loaded  # A home that is not there yet, or cannot be written: whoever needs to write there will say so.
        )
    return loaded


def _fingerprint(config: str) -> str:
    """What changes whenever a settings file does, or this program."""
    parts = [__version__, str(len(entries()))]
    for name in (*FILES, *ALIASES, OVERRIDES, LEARNED):
        try:
            status = os.stat(f"{config}/{name}")
        except OSError:
            continue
        parts.append(f"{name}:{status.st_mtime_ns}:{status.st_size}:{status.st_ino}")
    return f"{config} " + " ".join(parts)


def load(config: str, environ: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Loaded:
    """Load the settings of a home.

    Args:
        config: its config directory; files that are not there say nothing.
        environ: the environment.
        flags: full key to value, from the command line.

    Raises:
        ConfigError: with everything that is wrong in all files.
    """
    gathering = _Gathering()
    for name, tops in (*FILES.items(), *((alias, FILES[name]) for alias, name in ALIASES.items())):
        _read_layer(f"{config}/{name}", tops, gathering)
    _read_learned(f"{config}/{LEARNED}", gathering)
    _read_layer(f"{config}/{OVERRIDES}", tuple(fields_of(Settings)), gathering)
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            _read_variable(variable, environ[variable], gathering)
    for key, value in (flags or {}).items():
        gathering.put(key, value, "command line")
    settings = _assemble(gathering)
    gathering.problems += _fit_together(settings, gathering.sources)
    if gathering.problems:
        raise ConfigError(problems=gathering.problems)
    return Loaded(settings, gathering.sources)


def _open(path: str, gathering: _Gathering) -> Document | None:
    if not os.path.exists(path):
        return None
    try:
        document = parse_yaml(read_file(path), path)
    except (DataError, InputUnreadableError) as error:
        gathering.problems += error.problems or [Problem(message=str(error))]
        return None
    if document.value is not None and not isinstance(document.value, dict):
        gathering.problems.append(document.problem((), "expected keys and values"))
        return None
    return document


def _read_layer(path: str, tops: Iterable[str], gathering: _Gathering) -> None:
    document = _open(path, gathering)
    if document is not None:
        hints = fields_of(Settings)
        _read_section(document, (), document.value or {}, {top: hints[top] for top in tops}, gathering)


def _read_section(
    document: Document, path: tuple[str, ...], value: Any, hints: Mapping[str, Any], gathering: _Gathering
) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        gathering.problems.append(document.problem(path, f"expected keys and values, got {value!r}"))
        return
    for name, one in value.items():
        here = (*path, name)
        if name not in hints:
            gathering.problems.append(document.problem(here, f"there is no such key{_near(name, hints)}"))
        elif (section := section_of(hints[name])) is not None:
            _read_section(document, here, one, fields_of(section), gathering)
        else:
            try:
                read = read_value(one, hints[name])
            except ValueError as error:
                gathering.problems.append(document.problem(here, str(error)))
            else:
                gathering.put(".".join(here), read, f"{document.file}:{document.line_of(here)}")


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else f"; there are: {', '.join(names)}"


def read_value(value: Any, annotation: Any) -> Any:
    """A value as its annotation has it.

    Raises:
        ValueError: it is none; the message says what was expected.
    """
    unit = extra(annotation, "unit") or ""
    if unit.startswith(("share", "seconds", "bytes")):
        read = share_of if unit.startswith("share") else duration_of if unit.startswith("seconds") else size_of
        result = read(value)
        if result is None:
            raise ValueError(f"expected {unit}; got {value!r}")
        value = result
    elif isinstance(value, list):
        value = [_read_condition(item, annotation) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and "float" in str(annotation):
        value = float(value)
    try:
        return msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        raise ValueError(f"{str(error).replace('`', '')}; got {value!r}") from error


def _read_condition(item: Any, annotation: Any) -> Any:
    """An entry of a list of conditions: one key, read by its own kind."""
    kinds = [one for one in _parts(annotation) if section_of(one) is not None]
    if not kinds or not isinstance(item, dict):
        return item
    hints = fields_of(kinds[0])
    if len(item) != 1:
        raise ValueError(f"each entry has one condition; this one has {len(item)}")
    ((name, value),) = item.items()
    if name not in hints:
        raise ValueError(f"there is no condition {name!r}{_near(name, hints)}")
    return {name: read_value(value, hints[name])}


def _parts(annotation: Any) -> list[Any]:
    inner = [part for argument in typing.get_args(annotation) for part in _parts(argument)]
    return [annotation, *inner]


def _read_learned(path: str, gathering: _Gathering) -> None:
    """Learned values: only learnable keys, only near what is configured; one wrong key refuses the whole file."""
    document = _open(path, gathering)
    if document is None:
        return
    layer = _Gathering()
    _read_section(document, (), document.value or {}, fields_of(Settings), layer)
    known = entries()
    for key, value in layer.values.items():
        if not known[key].learnable:
            layer.problems.append(document.problem(tuple(key.split(".")), "may not be learned; remove it"))
            continue
        configured = gathering.values.get(key, known[key].default)
        if not configured * LEARN_LOW <= value <= configured * LEARN_HIGH:
            message = f"{value:g} is not within 0.5 to 2 times the configured {configured:g}"
            layer.problems.append(document.problem(tuple(key.split(".")), message))
    gathering.problems += layer.problems
    if not layer.problems:
        for key, value in layer.values.items():
            gathering.put(key, value, layer.sources[key])


def _read_variable(variable: str, text: str, gathering: _Gathering) -> None:
    key = variable[len(PREFIX) :].lower().replace("__", ".")
    entry = entries().get(key)
    if entry is None:
        message = f"names no setting{_near(key, entries()) if key else ''}"
        gathering.problems.append(Problem(message=message[:300], key=variable))
        return
    try:
        document = parse_yaml(text, variable)
        gathering.put(key, read_value(document.value, entry.kind), variable)
    except (DataError, ValueError) as error:
        gathering.problems.append(Problem(message=str(error), key=variable))


def _assemble(gathering: _Gathering) -> Settings:
    def build(section: msgspec.Struct, prefix: str) -> msgspec.Struct:
        changes: dict[str, Any] = {}
        for name, annotation in fields_of(type(section)).items():
            key = prefix + name
            if section_of(annotation) is not None:
                if any(one.startswith(key + ".") for one in gathering.values):
                    changes[name] = build(getattr(section, name), key + ".")
            elif key in gathering.values:
                changes[name] = gathering.values[key]
        return msgspec.structs.replace(section, **changes) if changes else section

    built = build(Settings(), "")
    assert isinstance(built, Settings)
    return built


def _fit_together(settings: Settings, sources: Mapping[str, str]) -> list[Problem]:
    """What is wrong between keys."""
    pairs = (
        ("adaptive_optimization.strategies.parallelism_scaling", "min_instances", "max_instances"),
        ("adaptive_optimization.strategies.batch_optimization", "min_batch_size", "max_batch_size"),
    )
    problems = []
    for section, low, high in pairs:
        lowest, highest = value_of(settings, f"{section}.{low}"), value_of(settings, f"{section}.{high}")
        if lowest > highest:
            file, _, line = sources.get(f"{section}.{low}", "").rpartition(":")
            message = f"is {lowest}, more than {high} ({highest})"
            problems.append(
                Problem(message=message, file=file, line=int(line) if line.isdigit() else 0, key=f"{section}.{low}")
            )
    return problems


def explain(loaded: Loaded, entry: Entry, in_force: bool) -> list[str]:
    """The lines of `config explain`."""
    value = plain(value_of(loaded.settings, entry.key))
    lines = [
        f"{entry.key} = {value}",
        f"  {entry.description}",
        f"  from: {loaded.source_of(entry.key)}",
        f"  default: {plain(entry.default)}",
    ]
    if entry.unit:
        lines.append(f"  unit: {entry.unit}")
    if entry.learnable:
        lines.append("  may be learned, within 0.5 to 2 times what is configured")
    if not in_force:
        lines.append("  checked and kept; this version does not act on it yet")
    return lines
