"""Records and rows that lack what others have: never a command with the placeholder's own text in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from parallel_runner.errors import DataError
from parallel_runner.model.fan_out import FanOut
from parallel_runner.model.terms import Terms
from parallel_runner.tools import registry
from parallel_runner.tools.bash import BashPayload
from parallel_runner.workflows.batch_file import load_batch_text
from parallel_runner.workflows.entries import Lookup
from parallel_runner.workflows.fan_out import FanOutError, expand, items_of


def told(text: str, here: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_batch_text("b.yaml", text, here=str(here), base=Terms())
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("job", "place", "name", "item"),
    [
        ("{id: x, foreach: [{a: 1, b: 1}, {a: 2}], bash: 'echo {a} {b}'}", "bash", "b", 2),
        ("{id: x, foreach: [{a: 1}, {a: 2, b: 1}], bash: 'echo {a} {b}'}", "bash", "b", 1),
        ("{id: 'x-{b}', foreach: [{a: 1, b: 1}, {a: 2}], bash: 'echo {a}'}", "id", "b", 2),
        ("{foreach: [{a: 1, b: 1}, {a: 2}], bash: x, env: {X: '{b:raw}'}}", "env", "b", 2),
        ("{foreach: {csv: short}, bash: 'rm -rf /srv/{1}/{2}'}", "bash", "2", 2),
        ("{foreach: [{a: 1, b: 1}, {a: 2}], bash: x, needs: ['{b}']}", "needs", "b", 2),
    ],
)
def test_a_field_that_one_item_lacks_is_a_mistake(
    tmp_path: Path, job: str, place: str, name: str, item: int
) -> None:
    (tmp_path / "short").write_text("a,1\nb\n")
    lines = told(f"jobs:\n  - {{id: '1', bash: x}}\n  - {job}\n", tmp_path)
    expected = (
        f"b.yaml:3: jobs[1].{place}: item {item} has no {name!r}, which {{{name}}} stands for, and others have"
    )
    assert lines == [f'{expected}; give it one, or "" for nothing']


def test_what_nobody_asks_for_may_be_lacking(tmp_path: Path) -> None:
    text = "jobs: [{foreach: [{a: 1, b: 1}, {a: 2}], bash: 'echo {a} ${b} {{b}} {c}'}]"
    spec = load_batch_text("b.yaml", text, here=str(tmp_path), base=Terms())
    commands = [msgspec.msgpack.decode(job.payload, type=BashPayload).command for job in spec.jobs]
    assert commands == [b"echo 1 ${b} {b} {c}", b"echo 2 ${b} {b} {c}"]


def expanded(printed: bytes, command: str, name: str = "") -> Sequence[bytes]:
    fan_out = FanOut(1, "json", "bash", {"bash": command}, name, Terms(), "/")
    jobs = expand(fan_out, items_of("json", printed, ""), (), "", Lookup(registry.names(), registry.get)).jobs
    return [msgspec.msgpack.decode(job.payload, type=BashPayload).command for job in jobs]


def test_a_record_of_a_result_that_lacks_a_field_is_refused() -> None:
    with pytest.raises(FanOutError, match=r"item 2 .*: bash: item 2 has no 'name', which \{name\} stands for"):
        expanded(b'{"name":1}\n{"nome":2}\n', "echo {name}")
    with pytest.raises(FanOutError, match=r"item 1 .*: id: item 1 has no 'b'"):
        expanded(b'{"a":1}\n{"b":2}\n', "echo", "x-{b}")


def test_a_name_that_is_in_no_record_is_refused() -> None:
    with pytest.raises(
        FanOutError, match=r"^bash: no record has a single value 'nmae', .* write \{\{nmae\}\} where"
    ):
        expanded(b'{"name":1}\n', "echo {nmae}")
    with pytest.raises(FanOutError, match="no record has a single value 'name'"):
        expanded(b'{"name":[1]}\n', "echo {name}")
    assert expanded(b"", "echo {nmae}") == []


def test_text_in_braces_stays_text() -> None:
    command = "awk '{print $1}' ${X} {{name}} {{END}} {{.ID}} {name} {first name} {item:raw} {index} {,} {}"
    (filled,) = expanded(b'{"name":1, "first name": "x y"}', command)
    assert (
        filled
        == b"""awk '{print $1}' ${X} {name} {END} {{.ID}} 1 'x y' {"name": 1, "first name": "x y"} 1 {,} {}"""
    )
