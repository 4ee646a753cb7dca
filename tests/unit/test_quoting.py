"""Values in every place of a shell's text."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.errors import DataError
from parallel_runner.workflows.quoting import in_comment, quote, quoters
from parallel_runner.workflows.template import Template, compile_template

TEXTS = st.text(st.characters(codec="ascii", exclude_characters="\0\r"), max_size=12).map(str.encode)


def words(command: bytes) -> list[str]:
    """The words that a shell reads."""
    return shlex.split(command.decode("latin-1"))


@given(TEXTS)
def test_a_quoted_value_is_one_word(value: bytes) -> None:
    assert words(b"x " + quote(value)) == ["x", value.decode()]


@given(TEXTS)
def test_values_within_quotes_stay_in_their_word(value: bytes) -> None:
    told = value.decode()
    make = compile_template(Template((b"echo; x 'a{}b' {}e",)), 1)
    assert words(make([value], 1).command) == ["echo;", "x", f"a{told}b", f"{told}e"]


@pytest.mark.parametrize("value", [b"a'b", b"''", b"'", b"a b", b"", b"$x", b"-n", b"~", b"\xff", b"a\nb"])
def test_written_as_gnu_parallel_writes_it(value: bytes) -> None:
    known = {b"a'b": b"'a'\"'\"'b'", b"''": b"\"'\"''\"'\"", b"'": b'"\'"', b"": b"''", b"-n": b"-n"}
    assert quote(value) == known.get(value, b"'" + value + b"'")


@pytest.mark.parametrize(
    "text",
    [
        b"echo \\{}",
        b'echo "\\{}"',
        b"echo `ls {}`",
        b'echo "`ls {}`"',
        b"cat <<EOF\n{}\nEOF",
        b'echo "${x:-"{}"}"',
        b"echo $[ {} ]",
        b"echo $(( {} ))",
        b'printf %s "$(case a in a) printf %s {};; esac)"',
        b"printf %s a\\\n#'b\n{}'",
    ],
)
def test_places_that_no_quoting_makes_safe_take_plain_values_only(text: bytes) -> None:
    make = compile_template(Template((text,)), 1)
    assert b"a/b.c" in make([b"a/b.c"], 1).command
    with pytest.raises(DataError, match="cannot be quoted"):
        make([b"$(touch x)"], 1)
    assert (
        b"$(touch x)"
        in compile_template(Template((text.replace(b"{}", b"{:raw}"),)), 1)([b"$(touch x)"], 1).command
    )


def test_an_escaped_blank_begins_no_comment() -> None:
    make = compile_template(Template((b"printf %s a\\ #{}",)), 1)
    assert words(make([b"x y"], 1).command) == ["printf", "%s", "a #x y"]


@pytest.mark.parametrize(
    ("before", "value", "expected"),
    [
        (b'echo "$(ls ', b"a b", b"'a b'"),
        (b'echo "$(ls "', b"$x", b"\\$x"),
        (b"echo $'a", b"\\'", b"\\\\\\'"),
        (b"true # ", b"x\nrm", b"x rm"),
        (b"a#b ", b"$x", b"'$x'"),
        (b"${#x} ", b"$x", b"'$x'"),
        (b"cat <<<", b"$x", b"'$x'"),
        (b"echo 'a' \"b\" \\' ", b"$x", b"'$x'"),
        (b"(echo 'x') ", b"$x", b"'$x'"),
    ],
)
def test_what_a_place_asks_for(before: bytes, value: bytes, expected: bytes) -> None:
    assert quoters([before, b""], [False])[0](value) == expected


def test_a_comment_does_not_end() -> None:
    assert b"\n" not in in_comment(b"a\nb\n")
