"""What a job is made for each of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from parallel_runner.workflows.foreach import Item, Later, read_foreach


def read(value: Any, here: Path | str = ".") -> tuple[list[Item] | Later, list[str]]:
    complaints: list[str] = []

    def at(_: Sequence[str | int], message: str) -> None:
        complaints.append(message)

    return read_foreach(at, value, str(here)), complaints


def texts(value: Any, here: Path | str = ".") -> list[str]:
    items, complaints = read(value, here)
    assert not complaints
    assert isinstance(items, list)
    return [item["item"] for item in items]


def test_lists_of_single_values() -> None:
    assert texts(["a b", 1, 2.5, True, None]) == ["a b", "1", "2.5", "true", ""]
    items, _ = read(["x", "y"])
    assert items == [{"item": "x", "index": "1"}, {"item": "y", "index": "2"}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"range": "1..4"}, ["1", "2", "3", "4"]),
        ({"range": "3..1"}, ["3", "2", "1"]),
        ({"range": "0..10..5"}, ["0", "5", "10"]),
        ({"from": 1, "to": 10, "step": 3}, ["1", "4", "7", "10"]),
        ({"from": 0, "to": 0.3, "step": 0.1}, ["0", "0.1", "0.2", "0.3"]),
        ({"from": 2, "to": 2}, ["2"]),
    ],
)
def test_ranges(value: Any, expected: list[str]) -> None:
    assert texts(value) == expected


def test_files(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("one\n\n two \nthree")
    (tmp_path / "t.csv").write_text('host,port\n"a,b",1\nc,2\n')
    assert texts({"file": "names"}, tmp_path) == ["one", " two ", "three"]
    assert texts({"glob": "*"}, tmp_path) == ["names", "t.csv"]
    rows, _ = read({"csv": "t.csv", "header": True}, tmp_path)
    assert rows == [{"host": "a,b", "port": "1", "index": "1"}, {"host": "c", "port": "2", "index": "2"}]
    rows, _ = read({"csv": "t.csv"}, tmp_path)
    assert isinstance(rows, list)
    assert rows[0] == {"1": "host", "2": "port", "index": "1"}


def test_combinations_and_records() -> None:
    items, _ = read({"os": ["l", "w"], "n": {"range": "1..2"}})
    assert isinstance(items, list)
    assert [(item["os"], item["n"], item["index"]) for item in items] == [
        ("l", "1", "1"),
        ("l", "2", "2"),
        ("w", "1", "3"),
        ("w", "2", "4"),
    ]
    items, _ = read([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
    assert items == [{"a": "1", "b": "x", "index": "1"}, {"a": "2", "b": "y", "index": "2"}]


def test_a_result_of_another_job_comes_later() -> None:
    assert read({"from": "a.b.files"})[0] == Later("a.b", "files")
    assert read({"from": "find.json"})[0] == Later("find", "json")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "comes to nothing"),
        ("abc", "expected a list"),
        ({"range": "1.4"}, "expected first..last"),
        ({"from": 1, "to": 9, "step": 0}, "a step that is not 0"),
        ({"from": 1, "to": "x"}, "expected numbers"),
        ({"from": "find"}, "expected JOB.files"),
        ({"from": "find.words"}, "expected JOB.files"),
        ({"range": "1..1000000000000"}, "more than 100000"),
        ({"a": {"range": "1..1000"}, "b": {"range": "1..1000"}}, "more than 100000"),
        ({"file": "no-such-file"}, "No such file"),
        ({"fil": "names"}, "did you mean 'file'?"),
        ({"file": "x", "heder": True}, "there is no 'heder' beside file"),
        ({"a b": [1]}, "cannot be a placeholder's name"),
        ([{"a": 1}, 2], "either all items are mappings"),
        ([[1]], "expected single values"),
        ({}, "expected a list"),
    ],
)
def test_what_cannot_be_gone_through(value: Any, told: str) -> None:
    items, complaints = read(value)
    assert items == []
    assert len(complaints) == 1
    assert told in complaints[0]
