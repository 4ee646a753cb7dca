"""The tool `python`: a function with arguments, in a child of the worker."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from parallel_runner.descriptors import write_all
from parallel_runner.ids import attempt_name
from parallel_runner.model.ports import INTERNAL, Call, JobContext, Launch
from parallel_runner.tools.records import fail

_CALL = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")


class PythonPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a python job calls."""

    call: str = ""
    """`module:function`."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    arguments: Annotated[bytes, INTERNAL] = b""
    """A tuple and a dict, as dill has them, for the function that came with the job's terms; `call` only tells its
    name then. Only from Python itself: batch files cannot carry it."""


class PythonTool:
    """Calls functions, by name or such as came with the terms."""

    name = "python"
    read_only = False
    payload_type = PythonPayload
    main_field = "call"

    def check(self, payload: msgspec.Struct) -> Sequence[str]:
        """`module:function`, and no pickled code from a file."""
        assert isinstance(payload, PythonPayload)
        if payload.arguments:
            return ["arguments: functions are shipped by the Python interface only; name one with call"]
        return [] if _CALL.match(payload.call) else [f"call: expected module:function, got {payload.call!r}"]

    def preload(self) -> None:
        """Nothing to load: the user's modules are imported in the child only."""

    def describe(self, payload: msgspec.Struct) -> bytes:
        """The function and its arguments, where they can be read."""
        assert isinstance(payload, PythonPayload)
        if payload.arguments:
            return f"{payload.call}(…)".encode("utf-8", "backslashreplace")[:500]
        shown = [repr(one) for one in payload.args] + [f"{key}={one!r}" for key, one in payload.kwargs.items()]
        return f"{payload.call}({', '.join(shown)})".encode("utf-8", "backslashreplace")[:500]

    def prepare(self, payload: msgspec.Struct, context: JobContext) -> Launch:
        """Runs in a child of the worker."""
        assert isinstance(payload, PythonPayload)
        if payload.arguments:
            return Call(lambda: _run_shipped(context, payload.arguments))
        return Call(lambda: run_call(payload))


def run_call(payload: PythonPayload) -> int:
    """Call it, and print what it returns: as JSON when it is that, else its repr; None prints nothing."""
    sys.path.insert(0, "")
    function = _find(payload)
    if isinstance(function, str):
        return fail(function)
    result = function(*payload.args, **payload.kwargs)
    if result is not None:
        try:
            print(json.dumps(result, ensure_ascii=False))  # noqa: T201 - the job's own stdout
        except (TypeError, ValueError):
            print(repr(result))  # noqa: T201 - the job's own stdout
    return 0


def _find(payload: PythonPayload) -> Callable[..., Any] | str:
    module_name, _, path = payload.call.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        return f"there is no module {error.name!r} (looked in the job's directory and in {sys.prefix})"
    for part in path.split("."):
        if not hasattr(found, part):
            return f"{module_name} has no {path!r}"
        found = getattr(found, part)
    return found if callable(found) else f"{payload.call} is no function"


def _run_shipped(context: JobContext, arguments: bytes) -> int:
    """Call the function that came with the terms, and write what it returns behind what it printed."""
    import dill

    # What the function does with its own stdout does not matter then.
    out, caller, printed = os.dup(1), os.getpid(), sys.stdout
    function = dill.loads(context.shipped)
    args, kwargs = dill.loads(arguments)
    result = function(*args, **kwargs)
    if os.getpid() != caller:
        return 0  # A child that the function has forked: it is not asked.
    for stream in (printed, sys.stdout):
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()
    write_all(out, returned_line(attempt_name(context.attempt), result))
    return 0


# What a shipped function returns stands behind the record separator that RFC 7464 puts before JSON in a stream, the
# attempt's name, since a function may print what another has printed, and a length, since output can be cut.


def returned_line(attempt: str, result: Any) -> bytes:
    """What is written of a result; where JSON cannot carry it, its repr."""
    try:
        text = json.dumps({"returned": result})
    except (TypeError, ValueError, RecursionError):
        text = json.dumps({"repr": repr(result)})
    return f"\x1e{attempt} {len(text)} {text}\n".encode()


def read_returned(attempt: str, output: bytes, *, cut: bool) -> Any:
    """What a shipped function returned.

    Args:
        attempt: the name of the attempt, as in `b1.3.1`.
        output: what is kept of its stdout.
        cut: it is only its beginning and its end.

    Raises:
        LookupError: it is not there, or not whole.
        ValueError: JSON cannot carry what it returned.
    """
    mark = f"\x1e{attempt} ".encode()
    begin = output.rfind(mark)
    if begin < 0:
        raise LookupError
    length, _, rest = output[begin + len(mark) :].partition(b" ")
    size = int(length) if length.isdigit() else len(rest)
    if rest[size : size + 1] != b"\n" or (cut and len(rest) > size + 1):
        raise LookupError
    told = json.loads(rest[:size])
    if "repr" in told:
        raise ValueError(f"it returned {told['repr'][:200]}, which JSON cannot carry")
    return told["returned"]
