"""docs/batch-files.md says all there is to say about batch files; its examples run, and fit the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from parallel_runner.model.lifecycle import FailureClass
from parallel_runner.model.ports import public_fields
from parallel_runner.model.terms import PRIORITIES
from parallel_runner.settings.documents import parse_yaml
from parallel_runner.tools import registry
from parallel_runner.workflows.batch_rules import BARRIER, TOP_KEYS
from parallel_runner.workflows.entries import CONDITIONS, JOB_KEYS
from parallel_runner.workflows.foreach import FORMS
from parallel_runner.workflows.job_terms import EXPECT, RETRIES, TERMS_KEYS, VALIDATE
from parallel_runner.workflows.schema import batch_schema
from tests.support.cli import CHECKOUT, Program

PAGE = (CHECKOUT / "docs" / "batch-files.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SCHEMA = batch_schema([registry.get(name) for name in registry.names()])


def errors(text: str) -> list[str]:
    """What the schema has against a batch file."""
    value = parse_yaml(text, "example").value
    found: list[Any] = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(value))
    return [str(error.message) for error in found]


def furnish(place: Path) -> None:
    """The files that the examples speak of."""
    (place / "src").mkdir()
    (place / "src" / "a.py").write_text("# TODO: one\n")
    (place / "src" / "b c.py").write_text("# FIXME: two\n")
    (place / "names.txt").write_text("alpha\nbeta gamma\n")
    (place / "hosts.csv").write_text("host,port\na,1\nb,2\n")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_run_and_fit_the_schema(program: Program, number: int) -> None:
    furnish(program.work)
    (program.work / "example.yaml").write_text(EXAMPLES[number])
    done = program("run", "-j4", "-f", "example.yaml")
    assert done.returncode == 0, done.stderr
    assert errors(EXAMPLES[number]) == []


def test_values_in_the_example_are_data(program: Program) -> None:
    furnish(program.work)
    (example,) = [text for text in EXAMPLES if "two words" in text]
    (program.work / "example.yaml").write_text(example)
    lines = program("run", "-k", "-f", "example.yaml").stdout.decode().splitlines()
    assert lines[:6] == [
        "testing one",
        "number 1: one",
        "testing two words",
        "number 2: two words",
        "testing $HOME",
        "number 3: $HOME",
    ]
    assert lines[6:9] == ["1", "4", "9"]
    assert lines[-1] == "all"


def test_every_key_is_documented() -> None:
    keys = [*TOP_KEYS, *JOB_KEYS, *TERMS_KEYS, *RETRIES, *EXPECT, *CONDITIONS, *PRIORITIES, *registry.names()]
    keys += [one.value for one in FailureClass]
    assert [key for key in keys if f"`{key}`" not in PAGE] == []
    inner = [*BARRIER, *VALIDATE, *(key for form in FORMS.values() for key in form)]
    assert [key for key in inner if not re.search(rf"\b{key}\b", PAGE)] == []


def test_every_field_of_every_tool_is_documented() -> None:
    for name in registry.names():
        (row,) = re.findall(rf"^\| `{name}` \|(.*)$", PAGE, re.MULTILINE)
        for field in (one.name for one in public_fields(registry.get(name).payload_type)):
            told = row if name != "bash" else row.replace("shell: bash or sh", "shell")
            if field == registry.get(name).main_field:
                continue
            assert re.search(rf"\b{field}\b", told), (
                name,
                field,
            )


def test_the_schema_is_printed_and_is_one(program: Program) -> None:
    done = program("config", "schema", "batch")
    assert json.loads(done.stdout) == json.loads(json.dumps(SCHEMA))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == set(TOP_KEYS)
    keys = {*JOB_KEYS, *TERMS_KEYS, *registry.names()}
    assert set(SCHEMA["$defs"]["job"]["properties"]) == keys


@pytest.mark.parametrize(
    "text",
    [
        "jobs: []",
        "jobs: [{bash: x}]\non_failure: stopp",
        "jobs: [{bash: x, timeout: [1]}]",
        "jobs: [{bash: x, grep: y}]",
        "jobs: [{id: a}]",
        "jobs: [{bash: x, retries: {mx: 1}}]",
        "jobs: [{bash: x, needs: {after: a, when: done}}]",
        "jobs: [{bash: {comand: x}}]",
        "jobs: [{bash: {command: x, stdin: [a, 0, 1]}}]",
        "jobs: [{python: {call: x, pickled: x}}]",
        "jobs: [{bash: x, foreach: {range: 1}}]",
        "jobs: [{bash: x, foreach: []}]",
        "jobs: [{bash: x, priority: hi}]",
        "jobs: [{bash: x}]\nphases: a",
    ],
)
def test_the_schema_refuses_what_the_program_refuses(program: Program, text: str) -> None:
    assert errors(text)
    (program.work / "bad.yaml").write_text(text)
    assert program("run", "-f", "bad.yaml").returncode == 103
