"""The tool `python`: a function with arguments, in a child of the worker."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from parallel_runner.model.ports import INTERNAL, Call, JobContext, Launch
from parallel_runner.tools.records import fail

_CALL = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")


class PythonPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a python job calls."""

    call: str = ""
    """`module:function`."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    pickled: Annotated[bytes, INTERNAL] = b""
    """A function shipped by dill. Only from Python itself: batch files cannot carry it."""


class PythonTool:
    """Calls functions."""

    name = "python"
    read_only = False
    payload_type = PythonPayload
    main_field = "call"

    def check(self, payload: msgspec.Struct) -> Sequence[str]:
        """`module:function`, and no pickled code from a file."""
        assert isinstance(payload, PythonPayload)
        if payload.pickled:
            return ["pickled: functions are shipped by the Python interface only; name one with call"]
        return [] if _CALL.match(payload.call) else [f"call: expected module:function, got {payload.call!r}"]

    def preload(self) -> None:
        """Nothing to load: the user's modules are imported in the child only."""

    def describe(self, payload: msgspec.Struct) -> bytes:
        """The function and its arguments."""
        assert isinstance(payload, PythonPayload)
        shown = [repr(one) for one in payload.args] + [f"{key}={one!r}" for key, one in payload.kwargs.items()]
        return f"{payload.call or 'function'}({', '.join(shown)})".encode("utf-8", "backslashreplace")[:500]

    def prepare(self, payload: msgspec.Struct, context: JobContext) -> Launch:
        """Runs in a child of the worker."""
        assert isinstance(payload, PythonPayload)
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
    if payload.pickled:
        import dill

        loaded: Callable[..., Any] = dill.loads(payload.pickled)
        return loaded
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


def ship(function: Callable[..., Any], *args: Any, **kwargs: Any) -> PythonPayload:
    """A job for a function of the running program itself: a lambda, a closure, one that stands in no module.

    The arguments must be what msgpack can carry; what the function closes over travels with it.
    """
    import dill

    return PythonPayload(args=list(args), kwargs=kwargs, pickled=dill.dumps(function, recurse=True))
