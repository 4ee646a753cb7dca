"""SQL by name, from the files beside this module: Python never spells it."""

from __future__ import annotations

import os
import re
from functools import lru_cache

_HERE = os.path.join(os.path.dirname(__file__), "sql")
_HEADER = re.compile(r"^-- name: (\w+): .+$", re.MULTILINE)


@lru_cache(maxsize=1)
def _all() -> dict[str, str]:
    text = _read("queries.sql")
    parts = _HEADER.split(text)[1:]
    return {name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)}


def get(name: str) -> str:
    """The statement of that name."""
    return _all()[name]


def schema() -> str:
    """The whole schema as it is after all migrations."""
    return _read("schema.sql")


def migrations() -> list[str]:
    """The migration scripts in order; the n-th of them leads to schema number n."""
    return [
        _read(f"migrations/{name}") for name in sorted(os.listdir(f"{_HERE}/migrations")) if name.endswith(".sql")
    ]


def _read(name: str) -> str:
    with open(f"{_HERE}/{name}", encoding="utf-8") as file:
        return file.read()
