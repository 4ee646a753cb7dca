"""Placeholders: what they stand for."""

from __future__ import annotations

import os.path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.workflows.placeholders import FORMS, PLUS_FORMS, Mark, Reader, dirname
from parallel_runner.workflows.quoting import quote, unquoted


def filled(text: bytes, *values: bytes, reader: Reader | None = None) -> bytes:
    """A text with unquoted values in its places."""
    parts = (reader or Reader()).read(text)
    out = parts.texts[0]
    for mark, following in zip(parts.marks, parts.texts[1:], strict=True):
        out += (mark.of(values, unquoted) if mark.kind == "values" else b"<%b>" % mark.kind.encode()) + following
    return out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"{} {.} {/} {//} {/.}", b"d/a.tar.gz d/a.tar a.tar.gz d a.tar"),
        (b"{1}{1.}{1/}{1//}{1/.}", b"d/a.tar.gzd/a.tara.tar.gzda.tar"),
        (b"{-1} {2} {} x", b"d/a.tar.gz  d/a.tar.gz x"),
        (b"{#}{%}{##}", b"<seq><slot>{##}"),
        (b"{0} {foo} ${HOME} {a,b} { } {1x}", b"{0} {foo} ${HOME} {a,b} { } {1x}"),
        (b"{:raw} {1/:raw}", b"d/a.tar.gz a.tar.gz"),
    ],
)
def test_what_placeholders_stand_for(text: bytes, expected: bytes) -> None:
    assert filled(text, b"d/a.tar.gz") == expected


def test_several_values() -> None:
    assert filled(b"{}|{/}|{2}|{-2}|{3}", b"a/b", b"c") == b"a/b c|b c|c|a/b|"


def test_names_win_over_numbers_and_longer_names_over_shorter() -> None:
    reader = Reader([b"n", b"name", b"7"])
    assert filled(b"{n} {name} {name/} {7} {2}", b"1", b"x/2", b"3", reader=reader) == b"1 x/2 2 3 x/2"


def test_other_spellings() -> None:
    reader = Reader(renames=((b"{}", b",,"), (b"{/}", b"BASE")))
    assert filled(b",, {} BASE {/} {.}", b"a/b.c", reader=reader) == b"a/b.c {} b.c {/} a/b"


def test_further_forms_only_with_plus() -> None:
    assert filled(b"{..} {+/}", b"d/a.b.c") == b"{..} {+/}"
    told = filled(b"{..} {...} {+/} {+.} {+..} {+...} {/..} {##} {0#}", b"d/a.b.c", reader=Reader(plus=True))
    assert told == b"d/a d/a.b.c d c b.c  a <total> <padded>"


@given(st.binary(max_size=12))
def test_forms_never_make_a_value_longer_but_for_a_dot(value: bytes) -> None:
    for form in (FORMS | PLUS_FORMS).values():
        assert len(form(value)) <= max(1, len(value))


@given(st.lists(st.sampled_from([b"a", b".", b"/", b"//", b"..", b"b"]), max_size=6).map(b"".join))
def test_directories_are_those_of_the_library(value: bytes) -> None:
    bare = value.rstrip(b"/")
    expected = b"/" if value and not bare else os.path.dirname(bare) or b"."
    assert dirname(value) == (expected if expected.strip(b"/") or not expected else b"/")


def test_raw_marks_are_not_quoted() -> None:
    assert Mark("values", raw=True).of([b"a b"], quote) == b"a b"
    assert Mark("values").of([b"a b"], quote) == b"'a b'"
