"""What makes two commands the same kind of work."""

from __future__ import annotations

import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.model.signature import MOST, NOTHING, Signature, of_line, of_words

PRINTABLE = set(string.printable) - set("\t\n\r\x0b\x0c")
PROGRAMS = st.sampled_from(["git", "gzip", "convert", "python3", "./run.sh", "/usr/bin/curl", "make"])
PATHS = st.from_regex(r"[a-z0-9_.]{1,8}(/[a-z0-9_.]{1,8}){1,4}", fullmatch=True)
NUMBERS = st.integers(0, 10**9).map(str)


@pytest.mark.parametrize(
    ("command", "full", "program"),
    [
        ("git -C /srv/repo commit -m 'fix 12'", "git commit -C -m", "git"),
        ("convert 17.png -resize 50% 17-small.png", "convert -resize", "convert"),
        ("cd build && make -j8 all", "cd && make all -j", "make"),
        ("./job_0017.sh --seed=42", "job_#.sh --seed", "job_#.sh"),
        ("exit 3", "exit", "exit"),
        ("A=1 sudo -u me nice -n 5 make all -j4 > log 2>&1", "make all -j", "make"),
        ("for i in 1 2; do echo $i; done", "for ; echo", "echo"),
        ("sort -u <(ls) | uniq -c", "sort -u ; ls ; uniq -c", "sort"),
        ("docker compose up -d", "docker compose up -d", "docker"),
        ("python3.11 -m pytest tests/x.py -x", "python3.11 pytest -m", "python3.11"),
        ('"$PROG" a', "*", "*"),
        ("echo 'never closed", "echo", "echo"),
        ("sh -c 'rm -rf /'", "sh -c", "sh"),
        ("a;b;c;d;e;f", "a ; b ; c ; d ; ...", "a"),
        ("find . -name '*.py' -exec rm {} +", "find -exec -name", "find"),
        ("head -5 x", "head -#", "head"),
        ("sha256sum x", "sha256sum", "sha256sum"),
        ("env", "env", "env"),
        ("x=1", *NOTHING),
        ("", *NOTHING),
    ],
)
def test_what_is_kept(command: str, full: str, program: str) -> None:
    assert of_line(command.encode()) == Signature(full, program)


@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="ab0 '\"\\$`<>|&;(){}-=/\n", max_size=60).map(str.encode))
)
def test_any_bytes_have_a_short_printable_signature(command: bytes) -> None:
    found = of_line(command)
    for text in found:
        assert 0 < len(text) <= MOST
        assert set(text) <= PRINTABLE
    assert found == of_line(command)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_words_have_a_short_printable_signature(words: list[bytes]) -> None:
    for text in of_words(words):
        assert 0 < len(text) <= MOST
        assert set(text) <= PRINTABLE


@given(PROGRAMS, st.lists(st.one_of(PATHS, NUMBERS), max_size=4), st.lists(st.one_of(PATHS, NUMBERS), max_size=4))
def test_numbers_and_paths_make_no_difference(program: str, some: list[str], others: list[str]) -> None:
    assert of_line(shlex.join([program, "-v", *some]).encode()) == of_line(
        shlex.join([program, "-v", *others]).encode()
    )


@given(PROGRAMS, st.text(max_size=40), st.text(max_size=40))
def test_quoted_text_makes_no_difference(program: str, one: str, other: str) -> None:
    def line(text: str) -> bytes:
        # Always in quotes: shlex leaves out those that are not needed.
        quoted = "'" + text.replace("'", "'\"'\"'") + "'"
        return f"{program} --message {quoted}".encode("utf-8", "replace")

    assert of_line(line(one)) == of_line(line(other)) == Signature(*of_line(f"{program} --message 'x'".encode()))


@given(PROGRAMS, st.permutations(["--alpha", "-b", "--gamma=7", "-d9"]))
def test_the_order_of_flags_makes_no_difference(program: str, flags: list[str]) -> None:
    told = of_words([program.encode(), *(flag.encode() for flag in flags)])
    assert told.full.split()[1:] == ["--alpha", "--gamma", "-b", "-d"]


@given(PROGRAMS, st.lists(st.from_regex(r"--?[a-z]{1,6}|[a-z0-9./]{1,6}", fullmatch=True), max_size=5))
def test_a_simple_line_and_its_words_are_the_same(program: str, rest: list[str]) -> None:
    words = [program, *rest]
    assert of_line(" ".join(words).encode()) == of_words([word.encode() for word in words])


@pytest.mark.parametrize(
    "piece", [b'"', b"\\", b"$(", b"((", b"0", b"ab0", b"-a", b"<", b"_1", b'$("', b"sudo ", b"`"]
)
def test_long_nonsense_takes_no_time(piece: bytes) -> None:
    # Bounded by what is read of a command; a pattern that backtracked would not come back from this.
    assert len(of_line(piece * 1_000_000).full) <= MOST
