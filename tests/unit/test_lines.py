"""Outputs line by line."""

from __future__ import annotations

import re
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_runner.reports import lines
from parallel_runner.reports.lines import MOST_LINE, Lines, first, last, lines_of, marked, matching

CHUNKS = st.lists(st.binary(max_size=50) | st.text("ab\n", max_size=20).map(str.encode), max_size=20)


@given(CHUNKS)
def test_no_byte_is_lost_and_each_line_is_one(chunks: list[bytes]) -> None:
    found = list(lines_of(chunks))
    data = b"".join(chunks)
    assert b"".join(found) == data
    assert found == data.split(b"\n") if b"\n" not in data and data else True
    assert [line.count(b"\n") for line in found] == [1] * data.count(b"\n") + [0] * (
        not data.endswith(b"\n") and data != b""
    )


@given(CHUNKS)
def test_what_is_fed_is_cut_in_the_same_places(chunks: list[bytes]) -> None:
    fed = Lines()
    found = [line for chunk in chunks for line in fed.feed(chunk)] + list(fed.finish())
    assert found == list(lines_of(chunks))


def test_a_line_without_end_is_cut() -> None:
    data = b"x" * (3 * MOST_LINE + 5) + b"\ny\n"
    found = list(lines_of(data[start : start + 1000] for start in range(0, len(data), 1000)))
    assert [len(line) for line in found] == [MOST_LINE] * 3 + [6, 2]


def test_first_and_last() -> None:
    found = [b"%d\n" % number for number in range(10)]
    assert list(first(found, 2)) == [b"0\n", b"1\n"]
    assert list(last(found, 2)) == [b"8\n", b"9\n"]
    assert list(first(found, 0)) == list(last(found, 0)) == []
    assert list(last(found, 99)) == found


def test_marks() -> None:
    assert list(marked([b"a\n", b"b"], b"b1.2")) == [b"b1.2\ta\n", b"b1.2\tb\n"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"hit\n", b"miss\n", b"other\n"]), max_size=25), st.integers(0, 4))
def test_context_is_what_grep_gives(found: list[bytes], context: int) -> None:
    done = subprocess.run(
        ["grep", "-C", str(context), "hit"], input=b"".join(found), capture_output=True, check=False
    )
    expected = done.stdout.splitlines(keepends=True)
    if not context:
        expected = [line for line in expected if line != lines.SEPARATOR]
    assert list(matching(found, re.compile(b"hit"), context)) == expected
