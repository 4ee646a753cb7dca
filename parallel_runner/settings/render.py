"""The YAML files with all defaults and comments, as deploy writes them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from parallel_runner.settings.catalogue import FILES, Settings, extra, fields_of, metas, plain, section_of


def render_file(name: str) -> str:
    """The text of a settings file with every key, its default and its meaning."""
    lines = [
        "# Every key with its default. What is removed from here has its default as well.",
        "# `parallel-runner config explain KEY` says what is in force, and why.",
    ]
    settings = Settings()
    for top in FILES[name]:
        lines += ["", f"{top}:"]
        lines += _section(getattr(settings, top), "  ")
    return "\n".join(lines) + "\n"


def _section(section: msgspec.Struct, indent: str) -> list[str]:
    lines = []
    for name, annotation in fields_of(type(section)).items():
        value = getattr(section, name)
        if section_of(annotation) is not None:
            lines += [f"{indent}{name}:", *_section(value, indent + "  ")]
            continue
        told = [meta.description for meta in metas(annotation) if meta.description][-1:]
        unit = extra(annotation, "unit")
        lines.append(f"{indent}# {told[0] if told else name}{f' ({unit})' if unit else ''}")
        lines += _value(name, plain(value), indent)
    return lines


def _value(name: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        items = [f"{indent}  - {key}: {json.dumps(one)}" for item in value for key, one in item.items()]
        return [f"{indent}{name}:", *items]
    return [f"{indent}{name}: {json.dumps(value)}"]
