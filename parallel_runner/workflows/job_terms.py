"""The keys of a batch file that say on what terms a job runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from parallel_runner.model.lifecycle import FailureClass
from parallel_runner.model.terms import PRIORITIES, Expectation, Limits, Terms, Validation
from parallel_runner.workflows.checking import Complain, nearest
from parallel_runner.workflows.kinds import (
    BOOL,
    BYTES,
    COUNT,
    DURATION,
    EXIT_CODES,
    REGEX,
    SHARE,
    SIZE,
    SPAN,
    TEXT,
    WORDS,
    WRONG,
    Key,
    choice,
    properties_of,
    read_key,
    read_section,
    schema_of,
    whole,
)

LIMITS = {
    "timeout": Key(SPAN, "wall time of one attempt; then it is ended, with all it started"),
    "grace": Key(DURATION, "from TERM to KILL"),
    "max_output": Key(SIZE, "bytes kept of each stream: head and tail"),
    "memory": Key(SIZE, "bytes of the job's whole process tree"),
    "cpu_time": Key(DURATION, "CPU time of each process"),
    "processes": Key(COUNT, "processes of this user, or of the job where it has a control group"),
    "open_files": Key(COUNT, "descriptors of each process"),
    "file_size": Key(SIZE, "bytes of one written file"),
}
PLAIN = {
    "deadline": Key(SPAN, "time for all attempts together, from the start of the first"),
    "stdin": Key(BYTES, "text given on standard input"),
    "idempotent": Key(BOOL, "whether it may be run twice without harm"),
    "nice": Key(whole(-20, 19), "niceness"),
    "leftovers": Key(choice("term", "keep", "kill"), "what happens to processes that outlive the command"),
    "on_unknown": Key(choice("rerun", "hold"), "when nobody knows whether it ran to its end"),
    "tags": Key(WORDS, "words by which `results --tag` picks results out"),
    "locks": Key(WORDS, "names that no two running jobs of this home share"),
    "priority": Key(choice(*PRIORITIES), "of the ready jobs, those of a higher priority go first"),
}
RETRIES = {
    "max": Key(whole(0, 200), "attempts after the first"),
    "on": Key(TEXT, "failure classes, or exit:N"),
    "backoff": Key(DURATION, "wait before the second attempt; doubles with each further one"),
    "max_backoff": Key(DURATION, "the longest wait"),
    "jitter": Key(SHARE, "share by which a wait is made shorter or longer"),
    "lost_retries": Key(whole(0, 200), "attempts after a lost worker, apart from max"),
}
EXPECT = {
    "exit": Key(EXIT_CODES, "exit codes that are a success"),
    "stdout": Key(REGEX, "a regular expression that must match somewhere in stdout"),
    "stderr": Key(REGEX, "a regular expression that must match somewhere in stderr"),
    "stdout_contains": Key(TEXT, "text that stdout must have"),
    "stderr_contains": Key(TEXT, "text that stderr must have"),
}
VALIDATE = {
    "command": Key(BYTES, "a command line; exit code 0: the job did what it should"),
    "timeout": Key(SPAN, "after which it counts as failed"),
}
_DIRECTORY = "directory, relative to the batch file's"
TERMS_KEYS = ("cwd", "env", "retries", "expect", "validate", *PLAIN, *LIMITS)


def read_terms(at: Complain, value: Mapping[str, Any], base: Terms, here: str) -> Terms:
    """Terms from the keys of a job or of `defaults`, on top of `base`.

    Args:
        at: where complaints go.
        value: the mapping; keys that are none of ours are left to others.
        base: what holds where nothing is said.
        here: the directory that relative directories are relative to.
    """
    changes: dict[str, Any] = {}
    limits = {key: _limit(at, key, value[key]) for key in LIMITS if key in value}
    kept = {key: one for key, one in limits.items() if one is not WRONG}
    if kept:
        changes["limits"] = msgspec.structs.replace(base.limits, **kept)
    for key in PLAIN:
        if key in value:
            read = read_key(at, (key,), value[key], PLAIN[key].kind)
            if read is not WRONG:
                changes[key] = PRIORITIES.index(read) if key == "priority" else read
    for key, section in _SECTIONS.items():
        if key in value:
            section(at, value[key], changes, base)
    if "cwd" in value:
        if isinstance(value["cwd"], str) and "\0" not in value["cwd"]:
            changes["cwd"] = os.fsencode(os.path.normpath(os.path.join(here, value["cwd"])))
        else:
            at(("cwd",), f"expected a directory, got {value['cwd']!r}")
    return msgspec.structs.replace(base, **changes) if changes else base


def _limit(at: Complain, key: str, value: object) -> Any:
    # An empty value takes a default of the file back.
    return getattr(Limits(), key) if value is None else read_key(at, (key,), value, LIMITS[key].kind)


def _retries(at: Complain, value: Any, changes: dict[str, Any], base: Terms) -> None:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        value = {"max": value}
    if not isinstance(value, dict):
        at(("retries",), f"expected a number, or max, on, backoff, …; got {value!r}")
        return
    plain = {key: one for key, one in value.items() if key != "on"}
    read = read_section(at, ("retries",), plain, RETRIES)
    if "on" in value:
        read["on"] = _causes(at, value["on"])
    changes["retry"] = msgspec.structs.replace(base.retry, **read)


def _causes(at: Complain, value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    classes = [one.value for one in FailureClass]
    for name in names:
        code = str(name)[5:] if str(name).startswith("exit:") else ""
        if name not in classes and not (code.isdigit() and int(code) <= 255):
            at(("retries", "on"), f"{name!r} is no failure class, nor exit:N{nearest(str(name), classes)}")
    return tuple(str(name) for name in names)


def _expect(at: Complain, value: Any, changes: dict[str, Any], base: Terms) -> None:
    if value is None:
        changes["expect"] = None
        return
    if not isinstance(value, dict):
        value = {"exit": value}
    read = read_section(at, ("expect",), value, EXPECT)
    changes["expect"] = msgspec.structs.replace(base.expect or Expectation(), **read)


def _validate(at: Complain, value: Any, changes: dict[str, Any], base: Terms) -> None:
    if value is None:
        changes["validate"] = None
        return
    before = base.validate
    if not isinstance(value, dict):
        value = {"command": value}
    read = read_section(at, ("validate",), value, VALIDATE)
    if before is not None:
        changes["validate"] = msgspec.structs.replace(before, **read)
    elif not value.get("command"):
        at(("validate",), "expected a command line, or command and timeout")
    elif "command" in read:
        changes["validate"] = Validation(**read)


def _environment(at: Complain, value: Any, changes: dict[str, Any], base: Terms) -> None:
    if not isinstance(value, dict):
        at(("env",), f"expected names and values, got {value!r}")
        return
    result = dict(base.env or ())
    for name, one in value.items():
        if not name or "=" in name or "\0" in name or isinstance(one, (dict, list)) or "\0" in str(one):
            at(("env", name), f"cannot be an environment variable: {name}={one!r}")
            continue
        text = "" if one is None else str(one).lower() if isinstance(one, bool) else str(one)
        result[name.encode()] = text.encode("utf-8", "surrogateescape")
    changes["env"] = tuple(sorted(result.items()))


_SECTIONS: dict[str, Callable[[Complain, Any, dict[str, Any], Terms], None]] = {
    "retries": _retries,
    "expect": _expect,
    "validate": _validate,
    "env": _environment,
}


def terms_schema() -> dict[str, Any]:
    """The JSON Schemas of the keys, by name."""
    causes = {"type": "string", "pattern": f"^({'|'.join(one.value for one in FailureClass)}|exit:[0-9]+)$"}
    retries = schema_of(RETRIES)
    retries["properties"]["on"] = _one_or_more(causes, RETRIES["on"].told)
    values = {"type": ["string", "number", "boolean", "null"]}
    return {
        **properties_of(LIMITS),
        **properties_of(PLAIN),
        "cwd": {"type": "string", "description": _DIRECTORY},
        "env": {
            "type": "object",
            "additionalProperties": values,
            "description": "variables on top of the caller's",
        },
        "retries": {"oneOf": [RETRIES["max"].kind.schema, retries], "description": "further attempts"},
        "expect": {
            "oneOf": [EXIT_CODES.schema, schema_of(EXPECT)],
            "description": "what an attempt must look like",
        },
        "validate": {"oneOf": [{"type": "string"}, schema_of(VALIDATE)], "description": "a command that checks it"},
    }


def _one_or_more(schema: Mapping[str, Any], told: str) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "array", "items": schema}], "description": told}
