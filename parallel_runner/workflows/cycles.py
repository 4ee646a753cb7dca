"""Cycles in a graph. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

N = TypeVar("N", bound=Hashable)


def find_cycle(edges: Mapping[N, Sequence[N]]) -> list[N] | None:
    """A cycle, with its first name again at the end, or None. Names without an entry have no edges.

    Depth-first with an explicit stack: a chain may be longer than the interpreter's stack.
    """
    done: set[N] = set()
    for start in edges:
        if start in done:
            continue
        path: list[N] = [start]
        on_path = {start}
        stack = [iter(edges[start])]
        while stack:
            following = next(stack[-1], None)
            if following is None:
                stack.pop()
                name = path.pop()
                on_path.discard(name)
                done.add(name)
            elif following in on_path:
                return [*path[path.index(following) :], following]
            elif following not in done and following in edges:
                path.append(following)
                on_path.add(following)
                stack.append(iter(edges[following]))
    return None
