"""What becomes of command lines and templates, with bash as the oracle for quoting."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_runner.errors import UsageError
from parallel_runner.model.ports import JobContext, Refusal, Spawn
from parallel_runner.tools.bash import BashPayload, BashTool, plain_words
from parallel_runner.workflows.job_maker import JobMaker, Recipe
from parallel_runner.workflows.quoting import quote
from parallel_runner.workflows.rows import Format, RowReader
from parallel_runner.workflows.template import Template, compile_template

CONTEXT = JobContext(b"/", {b"PATH": b"/usr/bin:/bin"}, 1, 257)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"/bin/true", [b"/bin/true"]),
        (b"  ls\t-l  a.b ", [b"ls", b"-l", b"a.b"]),
        (b"echo a", None),
        (b"FOO=1 ls", None),
        (b"ls *", None),
        (b"ls ~", None),
        (b"%1", None),
        (b"time ls", None),
        (b"", None),
        (b"ls 'a'", None),
        (b"ls \xc3\xa9", None),
        (b"ls\nls", None),
    ],
)
def test_which_lines_are_plain(line: bytes, words: list[bytes] | None) -> None:
    assert plain_words(line) == words


def test_direct_execution_and_its_fallback() -> None:
    launch = BashTool().prepare(BashPayload(command=b"uname x"), CONTEXT)
    assert isinstance(launch, Spawn)
    assert launch.executable == b"/usr/bin/uname"
    assert list(launch.argv) == [b"uname", b"x"]
    assert launch.fallback[-2:] == (b"uname", b"x")


@pytest.mark.parametrize("name", [b"BASH_ENV", b"BASH_FUNC_uname%%", b"BASH_FUNC_command_not_found_handle%%"])
def test_what_bash_would_do_differently_goes_to_bash(name: bytes) -> None:
    context = JobContext(b"/", {**CONTEXT.env, name: b"() { :; }"}, 1, 257)
    launch = BashTool().prepare(BashPayload(command=b"uname x"), context)
    assert isinstance(launch, Spawn)
    assert launch.executable == b"/bin/bash"


def test_a_program_that_is_not_there_is_left_to_bash_to_tell() -> None:
    launch = BashTool().prepare(BashPayload(argv=(b"nosuch", b"$x")), CONTEXT)
    assert not isinstance(launch, Refusal)
    assert isinstance(launch, Spawn)
    assert launch.executable == b"/bin/bash"
    assert launch.argv[-2:] == (b"nosuch", b"$x")


@pytest.mark.parametrize("payload", [BashPayload(command=b"uname x"), BashPayload(argv=(b"uname", b"x"))])
def test_without_a_path_bash_finds_the_program(
    payload: BashPayload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uname").touch(0o755)
    launch = BashTool().prepare(payload, JobContext(bytes(tmp_path), {}, 1, 257))
    assert isinstance(launch, Spawn)
    assert launch.executable == b"/bin/bash"
    assert launch.argv[-2:] == (b"uname", b"x")


@pytest.mark.parametrize(
    "payload",
    [BashPayload(), BashPayload(command=b"a", argv=(b"b",)), BashPayload(argv=()), BashPayload(command=b"a\0")],
)
def test_payloads_that_are_none(payload: BashPayload) -> None:
    assert BashTool().check(payload)


def by_bash(script: bytes) -> bytes:
    return subprocess.run(["bash", "-c", b"printf '%s\\0' " + script], capture_output=True, check=True).stdout


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(min_size=0, max_size=20).map(lambda data: data.replace(b"\0", b"")), min_size=1, max_size=8)
)
def test_quoted_words_reach_bash_as_they_are(words: list[bytes]) -> None:
    assert by_bash(b" ".join(map(quote, words))) == b"\0".join(words) + b"\0"


@pytest.mark.parametrize(
    ("words", "values", "expected"),
    [
        ([b"gzip", b"-9"], [b"a b"], (b"gzip", b"-9", b"a b")),
        ([b"cp", b"{}", b"{}.bak"], [b"x"], (b"cp", b"x", b"x.bak")),
        ([b"cmp {1} {2}"], [b"a", b"b"], (b"cmp", b"a", b"b")),
        ([b"tar", b"{}"], [b"a", b"b"], (b"tar", b"a", b"b")),
    ],
)
def test_plain_templates_keep_arguments_as_words(
    words: list[bytes], values: Sequence[bytes], expected: tuple[bytes, ...]
) -> None:
    assert compile_template(Template(tuple(words)), len(values))(values, 1).argv == expected


def test_other_templates_are_scripts_with_quoted_arguments() -> None:
    make = compile_template(Template((b"echo {} | wc -c; echo {#}",)), 1)
    assert make([b"a'b"], 7).command == b"echo 'a'\"'\"'b' | wc -c; echo 7"


def test_the_placeholder_alone_is_the_command_line_itself() -> None:
    assert compile_template(Template((b"{}",)), 1)([b"rm -rf x"], 1).command == b"rm -rf x"


def test_a_source_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="there is one value for each job"):
        compile_template(Template((b"echo {2}",)), 1)


def maker(*words: bytes, digest: bytes = b"digest") -> JobMaker:
    """A maker of jobs of a template."""
    return JobMaker(Recipe(Template(words), digest), RowReader(Format()))


def test_keys_name_jobs_by_content() -> None:
    first, second, third = maker(b"echo").rows([(b"a",), (b"b",), (b"a",)])
    assert first.key == third.key != second.key
    assert maker(b"echo", digest=b"another").rows([(b"a",)])[0].key != first.key
    assert msgspec.msgpack.decode(first.payload, type=BashPayload).command == b"echo a"


def test_empty_lines_are_no_commands() -> None:
    assert len(maker().records([b"true", b"", b"  ", b"false"])) == 2
