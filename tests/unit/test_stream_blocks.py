"""Streams cut into blocks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.workflows.stream_blocks import Blocks, Cutter

TEN = b"".join(b"%d\n" % number for number in range(1, 11))


def cut(blocks: Blocks, data: bytes, piece: int = 1 << 20) -> list[bytes]:
    """The blocks of a stream that comes in pieces."""
    cutter = Cutter(blocks)
    found: list[bytes] = []
    for start in range(0, len(data), piece):
        found += cutter.feed(data[start : start + piece])
    return [*found, *cutter.end()]


def test_blocks_end_with_records() -> None:
    assert cut(Blocks(size=5), TEN) == [b"1\n2\n", b"3\n4\n", b"5\n6\n", b"7\n8\n", b"9\n10\n"]
    assert cut(Blocks(size=2), b"long line\nx\n") == [b"long line\n", b"x\n"]
    assert cut(Blocks(), b"") == []


def test_blocks_of_so_many_records() -> None:
    assert cut(Blocks(records=3), TEN) == [b"1\n2\n3\n", b"4\n5\n6\n", b"7\n8\n9\n", b"10\n"]
    assert cut(Blocks(records=2, lines=2), TEN) == [b"1\n2\n3\n4\n", b"5\n6\n7\n8\n", b"9\n10\n"]


def test_records_by_what_they_start_and_end_with() -> None:
    data = b">a\nx\n>b\ny\n>c\n"
    assert cut(Blocks(end=b"", start=b">", records=1), data) == [b">a\nx\n", b">b\ny\n", b">c\n"]
    assert cut(Blocks(end=rb"\n", start=b">", records=1), data) == [b">a\nx\n", b">b\ny\n", b">c\n"]
    assert cut(Blocks(end=re.escape(b";"), records=1, strip=True), b"a;b;c;") == [b"a", b"b", b"c"]


def test_a_header_stands_in_front_of_each_block() -> None:
    assert cut(Blocks(records=1, header=1), b"h\na\nb\n") == [b"h\na\n", b"h\nb\n"]


def test_blank_blocks_can_be_left_out() -> None:
    assert cut(Blocks(records=1, skip_blank=True), b"a\n\n \nb\n") == [b"a\n", b"b\n"]


@pytest.mark.parametrize(
    "blocks",
    [
        Blocks(size=7),
        Blocks(records=2),
        Blocks(end=b"", start=b"a", records=1),
        Blocks(end=b"b", size=3),
        Blocks(end=b"", size=4),
        Blocks(end=b"b", start=b"a", size=3),
        Blocks(records=1, lines=3),
    ],
)
@given(
    data=st.lists(st.sampled_from([b"a", b"b", b"\n", b"cc"]), max_size=40).map(b"".join), piece=st.integers(1, 9)
)
def test_no_byte_is_lost_however_it_comes(blocks: Blocks, data: bytes, piece: int) -> None:
    assert b"".join(cut(blocks, data, piece)) == data
    assert cut(blocks, data, piece) == cut(blocks, data)
