"""All settings together, which file holds which, and each as an entry that can be shown and explained."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from parallel_runner.settings import schema, schema_scaling
from parallel_runner.settings.schema import _Section


class Settings(_Section, frozen=True):
    """Everything that can be set."""

    parallelization: schema.Parallelization = schema.Parallelization()
    coordination: schema.Coordination = schema.Coordination()
    performance_tuning: schema.PerformanceTuning = schema.PerformanceTuning()
    progressive_scaling: schema_scaling.ProgressiveScaling = schema_scaling.ProgressiveScaling()
    resource_planning: schema_scaling.ResourcePlanning = schema_scaling.ResourcePlanning()
    adaptive_optimization: schema_scaling.AdaptiveOptimization = schema_scaling.AdaptiveOptimization()
    resource_limits: schema.ResourceLimits = schema.ResourceLimits()
    coordination_rules: schema.CoordinationRules = schema.CoordinationRules()
    command_policy: schema.CommandPolicy = schema.CommandPolicy()


FILES: dict[str, tuple[str, ...]] = {
    "parallel-config.yaml": ("parallelization", "coordination"),
    "performance-config.yaml": ("performance_tuning",),
    "scaling-strategy.yaml": ("progressive_scaling", "resource_planning"),
    "optimization-config.yaml": ("adaptive_optimization",),
    "resource-limits.yaml": ("resource_limits",),
    "coordination-rules.yaml": ("coordination_rules",),
    "command-policy.yaml": ("command_policy",),
}
ALIASES = {"optimization-settings.yaml": "optimization-config.yaml"}
OVERRIDES, LEARNED = "overrides.yaml", "learned.yaml"

IN_FORCE = frozenset(
    {
        "parallelization.global_settings.max_total_instances",
        "parallelization.global_settings.resource_safety_margin",
        "coordination.synchronization.barrier_timeout",
        "coordination.synchronization.phase_transition_delay",
        "resource_limits.journal.durability",
        "resource_limits.journal.history_days",
        "resource_limits.floors.min_free_disk",
        "resource_limits.execution.leftovers",
        "resource_limits.execution.grace",
        "resource_limits.execution.max_output",
        "resource_limits.execution.lost_retries",
        "coordination_rules.recovery.on_supervisor_loss",
    }
)
"""Keys that this version acts on. The others are checked and kept, and say so when they are explained."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One setting."""

    key: str
    kind: Any
    default: Any
    description: str
    unit: str
    learnable: bool


def fields_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of a section with their annotations."""
    return typing.get_type_hints(kind, include_extras=True)


def section_of(annotation: Any) -> type[msgspec.Struct] | None:
    """The section that an annotation names, or None for a single setting."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct) else None


def metas(annotation: Any) -> list[msgspec.Meta]:
    """What is said about an annotation, the innermost first."""
    if typing.get_origin(annotation) is not Annotated:
        return [meta for part in typing.get_args(annotation) for meta in metas(part)]
    inner, *said = typing.get_args(annotation)
    return metas(inner) + [one for one in said if isinstance(one, msgspec.Meta)]


def extra(annotation: Any, name: str) -> Any:
    """A remark of ours about an annotation, or None."""
    found = [meta.extra[name] for meta in metas(annotation) if meta.extra and name in meta.extra]
    return found[-1] if found else None


@lru_cache(maxsize=1)
def entries() -> dict[str, Entry]:
    """All settings by their full key, in order."""
    return {entry.key: entry for entry in _walk(Settings(), "")}


def _walk(section: msgspec.Struct, prefix: str) -> Iterator[Entry]:
    for name, annotation in fields_of(type(section)).items():
        value = getattr(section, name)
        if section_of(annotation) is not None:
            yield from _walk(value, f"{prefix}{name}.")
            continue
        descriptions = [meta.description for meta in metas(annotation) if meta.description]
        yield Entry(
            key=prefix + name,
            kind=annotation,
            default=value,
            description=descriptions[-1] if descriptions else "",
            unit=extra(annotation, "unit") or "",
            learnable=bool(extra(annotation, "learnable")),
        )


def value_of(settings: msgspec.Struct, key: str) -> Any:
    """The value of a full key."""
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def plain(value: Any) -> Any:
    """A value as plain data; unset conditions are left out."""
    if isinstance(value, msgspec.Struct):
        fields = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        return {name: one for name, one in fields.items() if one is not None}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    return value
