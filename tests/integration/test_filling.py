"""Placeholders: what is one, what is none, and that a value stays data wherever it stands."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_runner.workflows.filling import PlaceholderError, fill, fill_command, has_placeholder

NASTY = ["a b", "it's", '"', "$(touch pwned)", "`id`", "\\", "$HOME", "*", "~", "-x", "#", "\n", "!", "{item}", ""]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("x{item}y", "xVy"),
        ("{item}{item}", "VV"),
        ("{item:raw}", "V"),
        ("{{item}}", "{item}"),
        ("${item}", "${item}"),
        ("{{item}", "{V"),
        ("{item}}", "V}"),
        ("{other} {print $1} {{.ID}} ${VAR} {}", "{other} {print $1} {{.ID}} ${VAR} {}"),
        ("{index}", "7"),
    ],
)
def test_what_is_a_placeholder(text: str, filled: str) -> None:
    values = {"item": "V", "index": "7"}
    assert fill(text, values) == filled
    assert fill_command(text, values) == filled


def test_all_texts_of_a_value_are_filled() -> None:
    value = {"a": ["{item}", 1, None, {"b": "-{item}-"}], "c": True}
    assert fill(value, {"item": "x y"}) == {"a": ["x y", 1, None, {"b": "-x y-"}], "c": True}


def test_has_placeholder() -> None:
    assert has_placeholder("a-{item}", ("item",))
    assert not has_placeholder("${item} {{item}} {other}", ("item",))


SAFE_PLACES = [
    "printf '[%s]' {item}",
    'printf "[%s]" "{item}"',
    "printf '[%s]' '{item}'",
    "printf '[%s]' \"$(printf '%s' {item}; printf x)\" | sed -z 's/x]$/]/'",
    'v={item}; printf "[%s]" "$v"',
    "printf '[%s]' \"\"'{item}'",
    "printf '[%s]' a{item} | sed -z 's/^.a/[/'",
    "if true; then printf '[%s]' {item}; fi # it's done",
    "(printf '[%s]' \"{item}\")",
    "f() { printf '[%s]' \"$1\"; }; f {item}",
    "cat <<< x >/dev/null; printf '[%s]' {item}",
]


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("template", SAFE_PLACES)
def test_values_are_data_for_a_real_shell(template: str, shell: str) -> None:
    if shell == "sh" and "<<<" in template:
        pytest.skip("no here-strings in sh")
    for value in NASTY:
        command = fill_command(template, {"item": value, "index": "1"}, shell=shell)
        done = subprocess.run([f"/bin/{shell}", "-c", command], capture_output=True, check=False)
        assert done.stdout.decode() == f"[{value}]", command


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=30))
def test_any_text_is_data_for_a_real_shell(value: str) -> None:
    template = "printf '%s|' {item} \"{item}\" '{item}' a\"b{item}c\"'d{item}e'"
    command = fill_command(template, {"item": value, "index": "1"})
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, check=False)
    assert done.stdout == f"{value}|{value}|{value}|ab{value}cd{value}e|".encode()


@pytest.mark.parametrize(
    "template",
    [
        "cat <<EOF\n{item}\nEOF",
        "echo `echo {item}`",
        "echo ${x:-{item}}",
        'echo "${x:-{item}}"',
        "echo $(( {item} + 1 ))",
        "(( x = {item} ))",
        "true # {item}",
        "echo $'{item}'",
        "echo \\{item}",
        'echo "$(case x in x) echo {item};; esac)"',
        'echo "${x:-it\'s} {item}"',
    ],
)
def test_where_nothing_is_safe_only_plain_values_go(template: str) -> None:
    assert "5" in fill_command(template, {"item": "5", "index": "1"})
    with pytest.raises(PlaceholderError, match="cannot be quoted"):
        fill_command(template, {"item": "$(id)", "index": "1"})
