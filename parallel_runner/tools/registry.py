"""Which tools there are: those of entry-point group `parallel_runner.tools`, loaded when first asked for."""

from __future__ import annotations

import difflib
import importlib
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from parallel_runner.errors import DataError, InternalError
from parallel_runner.model.ports import Tool

GROUP = "parallel_runner.tools"

# The product's own are named here too: reading the metadata of every installed distribution takes longer than a
# one-job run may, and a checkout that was never installed has none.
BUILT_IN = {
    "bash": "parallel_runner.tools.bash:BashTool",
    "python": "parallel_runner.tools.python_call:PythonTool",
    "glob": "parallel_runner.tools.glob_files:GlobTool",
    "grep": "parallel_runner.tools.grep_text:GrepTool",
    "read": "parallel_runner.tools.read_files:ReadTool",
}


@lru_cache(maxsize=1)
def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in BUILT_IN}


def names() -> list[str]:
    """All tools that can be asked for, the built-in ones first."""
    return [*BUILT_IN, *sorted(_plugins())]


@lru_cache(maxsize=64)
def get(name: str) -> Tool:
    """The tool of that name.

    Raises:
        DataError: there is no such tool (the nearest name is told), or a plug-in cannot be loaded or is no tool.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        tool: object = getattr(importlib.import_module(module), attribute)()
    elif name in _plugins():
        tool = _load(_plugins()[name])
    else:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(names())}"
        raise DataError(f"there is no tool {name!r}{hint}")
    if not isinstance(tool, Tool):
        raise InternalError(f"tool {name!r} ({type(tool).__module__}) lacks what the Tool protocol asks for")
    return tool


def _load(point: EntryPoint) -> object:
    try:
        return point.load()()
    except Exception as error:
        raise DataError(f"plug-in tool {point.name!r} ({point.value}) cannot be loaded: {error!r}") from error
