"""How many instances a home may run at once: `config/parallel-config.yaml`, and over it `config/overrides.yaml`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from parallel_runner.errors import ConfigError, DataError, InputUnreadableError, Problem
from parallel_runner.settings.units import share_of

MAX_TOTAL = 100
MARGIN = 0.1
_KEYS = ("max_total_instances", "resource_safety_margin", "instance_spawn_rate")
OVERRIDES = """\
# Written by `deploy`. What stands here is in force over parallel-config.yaml.
parallelization:
  global_settings:
    max_total_instances: {count}
"""


@dataclass(frozen=True)
class Instances:
    """The limits of a home."""

    max_total: int = MAX_TOTAL
    margin: float = MARGIN
    """Share of `max_total` that stays unused."""

    @property
    def budget(self) -> int:
        """Instances that all owners together may have."""
        return max(1, int(self.max_total * (1 - self.margin)))


def load_instances(config: str) -> Instances:
    """Read the limits from a home's `config` directory; files that are not there say nothing.

    Raises:
        ConfigError: with all that is wrong in them.
    """
    result = Instances()
    problems: list[Problem] = []
    for name in ("parallel-config.yaml", "overrides.yaml"):
        path = f"{config}/{name}"
        if os.path.exists(path):
            result = _read(path, result, problems)
    if problems:
        raise ConfigError(problems=problems)
    return result


def _read(path: str, before: Instances, problems: list[Problem]) -> Instances:
    from parallel_runner.settings.documents import parse_yaml, read_file

    try:
        document = parse_yaml(read_file(path), path)
    except (DataError, InputUnreadableError) as error:
        problems += error.problems or [Problem(message=str(error))]
        return before
    place: Any = document.value
    where: tuple[str | int, ...] = ()
    for key in ("parallelization", "global_settings"):
        where = (*where, key)
        place = place.get(key) if isinstance(place, dict) else None
    if place is None:
        return before
    if not isinstance(place, dict):
        problems.append(document.problem(where, "expected keys and values"))
        return before
    problems += [
        document.problem((*where, key), f"there is no such key; there are: {', '.join(_KEYS)}")
        for key in place
        if key not in _KEYS
    ]
    count = place.get("max_total_instances", before.max_total)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 10_000:
        problems.append(document.problem((*where, "max_total_instances"), f"expected 1 to 10000, got {count!r}"))
        count = before.max_total
    margin = share_of(place.get("resource_safety_margin", before.margin))
    if margin is None or margin > 0.9:
        problems.append(document.problem((*where, "resource_safety_margin"), "expected 0 to 0.9, or 0% to 90%"))
        margin = before.margin
    return Instances(count, margin)
