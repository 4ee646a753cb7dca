"""The keys of a batch file that say on what terms a job runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from parallel_runner.model.lifecycle import FailureClass
from parallel_runner.model.terms import Limits, RetryPolicy, Terms
from parallel_runner.settings.units import duration_of, size_of
from parallel_runner.workflows.checking import Complain, nearest

_LIMITS: dict[str, tuple[Callable[[object], Any], str]] = {
    "timeout": (duration_of, "a duration, like 30, 90s or 10min, of at most 300 years"),
    "grace": (duration_of, "a duration, like 2 or 500ms, of at most 300 years"),
    "max_output": (size_of, "a size, like 65536 or 10M, less than 8388608T"),
    "memory": (size_of, "a size, like 512M or 2G, less than 8388608T"),
    "cpu_time": (duration_of, "a duration, like 60 or 5min, of at most 300 years"),
    "processes": (size_of, "a count"),
    "open_files": (size_of, "a count"),
    "file_size": (size_of, "a size, like 1G, less than 8388608T"),
}
_CHOICES = {"leftovers": ("term", "keep", "kill"), "on_unknown": ("rerun", "hold")}
TERMS_KEYS = ("cwd", "env", "stdin", "retries", "idempotent", "nice", *_CHOICES, *_LIMITS)
_RETRY_KEYS = ("max", "on", "backoff", "max_backoff", "lost_retries")


def read_terms(at: Complain, value: Mapping[str, Any], base: Terms, here: str) -> Terms:
    """Terms from the keys of a job or of `defaults`, on top of `base`.

    Args:
        at: where complaints go.
        value: the mapping; keys that are none of ours are left to others.
        base: what holds where nothing is said.
        here: the directory that relative directories are relative to.
    """
    changes: dict[str, Any] = {}
    limits = {key: _limit(at, key, value[key]) for key in _LIMITS if key in value}
    if limits:
        kept = {key: one for key, one in limits.items() if one is not None or value[key] is None}
        defaults = {key: getattr(Limits(), key) for key in kept}
        kept = {key: defaults[key] if one is None else one for key, one in kept.items()}
        changes["limits"] = msgspec.structs.replace(base.limits, **kept)
    for key, choices in _CHOICES.items():
        if key in value:
            if value[key] in choices:
                changes[key] = value[key]
            else:
                at((key,), f"expected one of {', '.join(choices)}, got {value[key]!r}")
    if "cwd" in value:
        if isinstance(value["cwd"], str) and "\0" not in value["cwd"]:
            changes["cwd"] = os.fsencode(os.path.normpath(os.path.join(here, value["cwd"])))
        else:
            at(("cwd",), f"expected a directory, got {value['cwd']!r}")
    if "retries" in value:
        changes["retry"] = _retry(at, value["retries"], base.retry)
    if "env" in value:
        changes["env"] = _environment(at, value["env"], base.env)
    changes.update(_plain(at, value))
    return msgspec.structs.replace(base, **changes)


def _limit(at: Complain, key: str, value: object) -> Any:
    read, expected = _LIMITS[key]
    result = None if value is None else read(value)
    if value is not None and (result is None or (key == "timeout" and not result)):
        at((key,), f"expected {expected}, got {value!r}")
        return None
    return result


def _plain(at: Complain, value: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "stdin" in value:
        if isinstance(value["stdin"], (str, bytes)):
            text = value["stdin"]
            changes["stdin"] = text.encode() if isinstance(text, str) else text
        else:
            at(("stdin",), f"expected text, got {value['stdin']!r}")
    if "idempotent" in value:
        if isinstance(value["idempotent"], bool):
            changes["idempotent"] = value["idempotent"]
        else:
            at(("idempotent",), f"expected true or false, got {value['idempotent']!r}")
    if "nice" in value:
        if isinstance(value["nice"], int) and -20 <= value["nice"] <= 19:
            changes["nice"] = value["nice"]
        else:
            at(("nice",), f"expected a number from -20 to 19, got {value['nice']!r}")
    return changes


def _retry(at: Complain, value: Any, base: RetryPolicy) -> RetryPolicy:
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"max": value}
    if not isinstance(value, dict):
        at(("retries",), f"expected a number, or max, on, backoff, …; got {value!r}")
        return base
    changes: dict[str, Any] = {}
    for key, one in value.items():
        if key not in _RETRY_KEYS:
            at(("retries", key), f"retries has no {key!r}{nearest(key, _RETRY_KEYS)}")
        elif key == "on":
            changes["on"] = _causes(at, one)
        elif key in ("max", "lost_retries"):
            if isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= 200:
                changes[key] = one
            else:
                at(("retries", key), f"expected a number from 0 to 200, got {one!r}")
        else:
            seconds = duration_of(one)
            if seconds is None:
                at(("retries", key), f"expected a duration, like 2s, got {one!r}")
            else:
                changes[key] = seconds
    return msgspec.structs.replace(base, **changes)


def _causes(at: Complain, value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    classes = [one.value for one in FailureClass]
    for name in names:
        code = str(name)[5:] if str(name).startswith("exit:") else ""
        if name not in classes and not (code.isdigit() and int(code) <= 255):
            at(("retries", "on"), f"{name!r} is no failure class, nor exit:N{nearest(str(name), classes)}")
    return tuple(str(name) for name in names)


def _environment(
    at: Complain, value: Any, base: Sequence[tuple[bytes, bytes]] | None
) -> tuple[tuple[bytes, bytes], ...] | None:
    if not isinstance(value, dict):
        at(("env",), f"expected names and values, got {value!r}")
        return tuple(base) if base is not None else None
    result = dict(base or ())
    for name, one in value.items():
        if not name or "=" in name or "\0" in name or isinstance(one, (dict, list)) or "\0" in str(one):
            at(("env", name), f"cannot be an environment variable: {name}={one!r}")
            continue
        text = "" if one is None else str(one).lower() if isinstance(one, bool) else str(one)
        result[name.encode()] = text.encode()
    return tuple(sorted(result.items()))
