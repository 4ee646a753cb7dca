"""Documents: what would fill the memory or is no text is refused, with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from parallel_runner.errors import ConfigError, DataError
from parallel_runner.model.terms import Terms
from parallel_runner.settings import documents
from parallel_runner.settings.documents import parse_json, parse_yaml
from parallel_runner.settings.load import load
from parallel_runner.workflows.batch_file import load_batch_file


def bomb(levels: int, width: int) -> str:
    """Aliases of aliases: width to the power of levels values in a few lines."""
    lines = ["a0: &a0 x"]
    for level in range(1, levels + 1):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines) + "\n"


def told(error: DataError | ConfigError) -> list[str]:
    return [str(one) for one in error.problems]


@pytest.mark.parametrize("text", [bomb(8, 9), bomb(4, 40), "a: &a [*a, *a, *a]\n"])
def test_aliases_that_expand_beyond_measure_are_refused(text: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_yaml(text, "bomb.yaml")
    (problem,) = told(caught.value)
    assert problem.startswith("bomb.yaml:")
    assert "expand to too many values" in problem or "nested deeper" in problem


def test_aliases_in_a_settings_file_are_refused_as_well(tmp_path: Path) -> None:
    (tmp_path / "parallel-config.yaml").write_text(bomb(8, 9))
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path), {})
    assert any("expand to too many values" in one for one in told(caught.value))


def test_what_aliases_are_for_is_allowed() -> None:
    text = "env: &env {A: 1, B: 2, C: 3}\njobs:\n" + "  - {bash: x, env: *env}\n" * 20_000
    value = parse_yaml(text, "x.yaml").value
    assert len(value["jobs"]) == 20_000
    assert value["jobs"][-1]["env"] == {"A": 1, "B": 2, "C": 3}


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ({"jobs": [{"bash": "true \ud800"}]}, ["jobs[0].bash"]),
        (
            {"name": "\udfff", "jobs": [{"python": {"args": [1, "ok", "\ud800"]}}]},
            ["name", "jobs[0].python.args[2]"],
        ),
        ({"jobs": [{"\ud800": 1}]}, ["jobs[0]"]),
    ],
)
def test_half_a_surrogate_pair_is_refused(value: object, places: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        parse_json(json.dumps(value), "x.json")
    assert [one.key for one in caught.value.problems] == places
    assert all("surrogate" in one.message for one in caught.value.problems)


def test_whole_surrogate_pairs_are_characters() -> None:
    assert parse_json('["\\ud83d\\ude00"]', "x.json").value == ["\U0001f600"]
    assert parse_json('["\\\\ud800"]', "x.json").value == ["\\ud800"]


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1" + "0" * 5000])
def test_numbers_that_no_payload_can_carry_are_refused(number: str) -> None:
    with pytest.raises(DataError, match="more than 64 bits"):
        parse_json(f'{{"args": [{number}]}}', "x.json")
    assert parse_json("[18446744073709551615, -9223372036854775808]", "x.json").value == [2**64 - 1, -(2**63)]


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize("text", ['a: "\\ud800"', '"\\ud800": a'])
def test_neither_reader_of_yaml_lets_it_pass(monkeypatch: pytest.MonkeyPatch, loader: str, text: str) -> None:
    monkeypatch.setattr(yaml, "CSafeLoader", getattr(yaml, loader))
    documents._loader.cache_clear()
    try:
        with pytest.raises(DataError):
            parse_yaml(text, "x.yaml")
    finally:
        documents._loader.cache_clear()


VALUES = """\
jobs:
  - {bash: "true", cwd: "a\\0b"}
  - {bash: "true", file_size: 9000000T}
  - {bash: "true", cpu_time: 9999999999999999999999}
  - {bash: "true", memory: 999999999999999999999T}
  - {bash: "true", timeout: 1e400}
  - {bash: "true", retries: {max: 1, backoff: 1e400}}
"""


def test_values_that_the_system_cannot_hold_are_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(VALUES)
    with pytest.raises(DataError) as caught:
        load_batch_file("b.yaml", cwd=bytes(tmp_path), base=Terms())
    assert [(one.line, one.key) for one in caught.value.problems] == [
        (2, "jobs[0].cwd"),
        (3, "jobs[1].file_size"),
        (4, "jobs[2].cpu_time"),
        (5, "jobs[3].memory"),
        (6, "jobs[4].timeout"),
        (7, "jobs[5].retries.backoff"),
    ]


def test_infinity_in_json_is_no_limit(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"jobs": [{"bash": "true", "cpu_time": 1e400}]}')
    with pytest.raises(DataError, match="cpu_time"):
        load_batch_file("b.json", cwd=bytes(tmp_path), base=Terms())


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x07"])
def test_a_character_that_yaml_does_not_have_is_told_with_its_line(character: str) -> None:
    text = "é: ü\n" * 3001 + f"b: x{character}y\n" + "c: d\n" * 10
    with pytest.raises(DataError) as caught:
        parse_yaml(text, "x.yaml")
    (line,) = told(caught.value)
    assert line == f"x.yaml:3002: is no YAML: control characters are not allowed (#x{ord(character):04x})"
