"""Records, rows, groups of rows, conditions on rows."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.errors import DataError, UsageError
from parallel_runner.workflows.conditions import parse_condition
from parallel_runner.workflows.grouping import Grouper, Grouping
from parallel_runner.workflows.rows import Format, Row, RowReader, Unique, combine

A, B, C = (b"a",), (b"b",), (b"c",)
ONE, TWO = (b"1",), (b"2",)


def rows_of(form: Format, *records: bytes) -> list[Row]:
    """All rows of some records."""
    reader = RowReader(form)
    return reader.take(records) + reader.end()


def test_sources_are_crossed_the_last_one_fastest() -> None:
    assert list(combine([[[A, B]], [[ONE, TWO]]], link=False)) == [A + ONE, A + TWO, B + ONE, B + TWO]
    assert list(combine([[[A, B]], [[]]], link=False)) == []


def test_sources_side_by_side() -> None:
    assert list(combine([[[A, B, C], [ONE, TWO]]], link=False)) == [A + ONE, B + TWO]
    assert list(combine([[[A, B, C]], [[ONE, TWO]]], link=True)) == [A + ONE, B + TWO, C + ONE]
    assert list(combine([[[A]], [[]]], link=True)) == []


def test_columns_and_what_is_cut_off() -> None:
    columns = re.compile(rb"\s*;\s*")
    assert rows_of(Format(columns=columns), b"a ; b;", b"c") == [(b"a", b"b", b""), (b"c",)]
    assert rows_of(Format(trim="lr"), b"\t a ") == [A]
    assert rows_of(Format(trim="l"), b" a ") == [(b"a ",)]
    assert rows_of(Format(skip_empty=True), b"", b" ", b"a") == [A]
    assert rows_of(Format(eof=b"b"), b"a", b"b", b"c") == [A]
    assert rows_of(Format(joins_lines=True), b"a ", b"b", b"c\t") == [(b"a b",), (b"c\t",)]


def test_a_header_names_columns() -> None:
    reader = RowReader(Format(columns=re.compile(b","), header=1))
    assert reader.take([b"x,y", b"1,2"]) == [ONE + TWO]
    assert reader.names == [b"x", b"y"]


FIELDS = st.text(st.characters(codec="latin-1", exclude_characters="\0\r"), max_size=6)


@given(st.lists(st.lists(FIELDS, min_size=1, max_size=3).filter(lambda row: row != [""]), max_size=4))
def test_csv_is_read_as_it_is_written(table: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    records = text.getvalue().encode("latin-1").split(b"\n")[:-1]
    assert rows_of(Format(csv=True), *records) == [tuple(one.encode("latin-1") for one in row) for row in table]


def test_a_quoted_field_that_never_ends_is_told() -> None:
    with pytest.raises(DataError, match="inside a quoted field"):
        rows_of(Format(csv=True), b'a,"b', b"c")


def test_equal_rows_are_told_apart_from_others_with_the_same_bytes() -> None:
    unique = Unique()
    assert [unique(row) for row in [(b"ab", b"c"), (b"a", b"bc"), (b"ab", b"c")]] == [True, True, False]


def grouped(grouping: Grouping, count: int) -> list[Row]:
    """The groups of so many rows of two bytes, for a command of five."""
    grouper = Grouper(grouping, lambda rows: 5 + 3 * len(rows))
    rows = [(b"%02d" % number,) for number in range(count)]
    return [*grouper.take(rows), *grouper.end()]


def test_groups_by_number_by_size_and_shared_among_slots() -> None:
    assert [len(group) for group in grouped(Grouping(most=2), 5)] == [2, 2, 1]
    assert [len(group) for group in grouped(Grouping(chars=15), 5)] == [3, 2], "shorter than 15"
    assert [len(group) for group in grouped(Grouping(spread=3), 7)] == [3, 3, 1]
    assert [len(group) for group in grouped(Grouping(most=3, chars=12), 4)] == [2, 2]
    assert grouped(Grouping(most=2), 0) == []
    with pytest.raises(DataError, match="fewer than 8"):
        grouped(Grouping(chars=8), 1)


@given(st.integers(0, 40), st.integers(1, 9), st.integers(9, 40), st.integers(0, 5))
def test_no_row_is_lost_and_none_comes_twice(count: int, most: int, chars: int, spread: int) -> None:
    groups = grouped(Grouping(most=most, chars=chars, spread=spread), count)
    assert [value for group in groups for value in group] == [b"%02d" % number for number in range(count)]
    assert all(0 < len(group) <= most and 5 + 3 * len(group) < chars for group in groups)


@pytest.mark.parametrize(
    ("text", "row", "holds"),
    [
        (b"{1} < {2}", (b"9", b"10"), True),
        (b"{1} lt {2}", (b"9", b"10"), False),
        (b"{1} == 1.0 and not {2} eq 'x'", (b"1", b"y"), True),
        (b'({1} > 5 or {1} < 2) && {2} ne ""', (b"1", b""), False),
        (b"! ({1} == 1)", (b"2",), True),
        (b"{/.} eq 'b'", (b"a/b.c",), True),
    ],
)
def test_conditions(text: bytes, row: Row, holds: bool) -> None:
    assert parse_condition(text)(row) is holds


@pytest.mark.parametrize(
    "text", [b"", b"{1}", b"{1} <", b"{1} < 2)", b"(1 < 2", b"{1} = 2", b"`id` eq 1", b"1 < 2 3"]
)
def test_conditions_that_are_none(text: bytes) -> None:
    with pytest.raises(UsageError, match="--filter"):
        parse_condition(text)


def test_numbers_are_wanted_where_numbers_are_compared() -> None:
    with pytest.raises(DataError, match="'x' is none"):
        parse_condition(b"{1} < 2")((b"x",))


def test_brackets_have_an_end() -> None:
    with pytest.raises(UsageError):
        parse_condition(b"(" * 2000 + b"1<2" + b")" * 2000)
