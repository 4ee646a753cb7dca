"""The JSON Schema of batch files, for editors: made from the tables that the files are checked by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from parallel_runner.model.ports import Tool, public_fields
from parallel_runner.workflows.batch_rules import rules_schema
from parallel_runner.workflows.entries import CONDITIONS, JOB_KEYS
from parallel_runner.workflows.foreach import FORMS, FROM
from parallel_runner.workflows.job_terms import terms_schema

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SINGLE = {"type": ["string", "number", "boolean", "null"]}
_FORM_KEYS: dict[str, dict[str, Any]] = {
    "file": {"type": "string", "description": "a file; one item a line"},
    "csv": {"type": "string", "description": "a table; one item a row"},
    "header": {"type": "boolean", "description": "the first row names the placeholders"},
    "delimiter": {"type": "string", "minLength": 1, "maxLength": 1},
    "range": {
        "type": "string",
        "pattern": r"^-?\d+\.\.-?\d+(\.\.-?\d+)?$",
        "description": "first..last or first..last..step",
    },
    "from": {"type": "number"},
    "to": {"type": "number"},
    "step": {"type": "number"},
    "glob": {"type": "string", "description": "paths that match; ** goes through directories"},
}


def batch_schema(tools: Sequence[Tool]) -> dict[str, Any]:
    """The schema of a batch file whose jobs use these tools."""
    definitions: dict[str, Any] = {}
    payloads = {tool.name: _payload(tool, definitions) for tool in tools}
    terms = terms_schema()
    job = {
        "type": "object",
        "additionalProperties": False,
        "properties": {**_job_keys(), **{name: _filled(one) for name, one in {**payloads, **terms}.items()}},
        "oneOf": [{"required": [name]} for name in payloads],
    }
    jobs = {"type": "array", "items": {"$ref": "#/$defs/job"}}
    top = {
        **rules_schema(),
        "defaults": {
            "type": "object",
            "additionalProperties": False,
            "properties": terms,
            "description": "for all jobs",
        },
        "jobs": {**jobs, "minItems": 1},
        "finally": {**jobs, "description": "jobs that run after everything else, whatever happened"},
    }
    return {
        "$schema": _DRAFT,
        "title": "parallel-runner batch file",
        "type": "object",
        "additionalProperties": False,
        "required": ["jobs"],
        "properties": top,
        "$defs": {"job": job, "foreach": _foreach(), **definitions},
    }


def _payload(tool: Tool, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _as_text(msgspec.json.schema(tool.payload_type))
    definitions.update({name: _filled(one) for name, one in schema.pop("$defs").items()})
    fields = definitions[tool.payload_type.__name__]["properties"]
    public = {one.name for one in public_fields(tool.payload_type)}
    for name in set(fields) - public:
        del fields[name]
    return {"oneOf": [fields[tool.main_field], schema], "description": f"for the tool {tool.name}"}


def _as_text(schema: Any) -> Any:
    """Bytes are text in a file."""
    if isinstance(schema, dict):
        return {key: _as_text(one) for key, one in schema.items() if key not in ("contentEncoding", "default")}
    return [_as_text(one) for one in schema] if isinstance(schema, list) else schema


def _filled(schema: Any) -> Any:
    """Wherever a number or a word is expected, a placeholder may stand."""
    if isinstance(schema, list):
        return [_filled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "enum" in schema or schema.get("type") in ("integer", "number", "boolean"):
        told = {"description": schema["description"]} if "description" in schema else {}
        return {"anyOf": [schema, {"type": "string", "pattern": r"\{[^{}]+\}"}], **told}
    return {key: one if key in ("pattern", "required") else _filled(one) for key, one in schema.items()}


def _job_keys() -> dict[str, Any]:
    name = {"type": ["string", "integer"]}
    after = {"oneOf": [name, {"type": "array", "items": name}]}
    condition = {
        "type": "object",
        "additionalProperties": False,
        "required": ["after"],
        "properties": {"after": after, "when": {"enum": list(CONDITIONS)}},
    }
    told: Mapping[str, dict[str, Any]] = {
        "id": {**name, "description": "a name, for needs, why and logs; may have placeholders"},
        "needs": {
            "oneOf": [name, condition, {"type": "array", "items": {"oneOf": [name, condition]}}],
            "description": "jobs and groups that must have ended",
        },
        "foreach": {"$ref": "#/$defs/foreach", "description": "what a job is made for each of"},
    }
    return {key: told[key] for key in JOB_KEYS}


def _foreach() -> dict[str, Any]:
    forms = [_form(keys) for keys in FORMS.values()]
    later = {
        "type": "object",
        "additionalProperties": False,
        "required": ["from"],
        "properties": {"from": {"type": "string", "pattern": FROM.pattern.replace(r"\Z", "$")}},
    }
    single = {"type": "array", "items": _SINGLE, "minItems": 1}
    records = {
        "type": "array",
        "items": {"type": "object", "additionalProperties": _SINGLE, "minProperties": 1},
        "minItems": 1,
    }
    texts = [form for form in forms if "csv" not in form["properties"]]
    combinations = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"anyOf": [single, *texts]},
    }
    return {"anyOf": [single, records, *forms, later, combinations]}


def _form(keys: Sequence[str]) -> dict[str, Any]:
    required = ["from", "to"] if keys[0] == "from" else [keys[0]]
    properties = {key: _FORM_KEYS[key] for key in keys}
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}
