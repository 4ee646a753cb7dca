"""The codebase tools on a hostile tree; ripgrep and git are the oracles."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Program

BINARY = b"needle\0needle\n"
FILES: dict[bytes, bytes] = {
    b"plain.py": b"import os\nneedle = 1\nNeedle = 2\n",
    b"crlf.txt": b"first\r\nneedle\r\nlast needle\r\n",
    b"latin-1.txt": "caf\xe9 needle\n".encode("latin-1"),
    b"utf-16.txt": "one\nneedle \u00e9\n".encode("utf-16"),
    b"unicode.txt": "STRASSE \u00c9T\u00c9 needle\n".encode(),
    b"binary.bin": BINARY,
    b"empty": b"",
    b"no-newline": b"needle",
    b"huge-line.js": b"x" * 300_000 + b"needle" + b"y" * 300_000 + b"\n",
    b"bad-\xff-name.txt": b"needle\n",
    b"new\nline.txt": b"needle\n",
    b"-dash.txt": b"needle\n",
    b" blank .txt": b"needle\n",
    b"\x1b[31mred.txt": b"needle\n",
    b".hidden/in-hidden.txt": b"needle\n",
    b".dotfile": b"needle\n",
    b"a/b/c/d/e/f/deep.py": b"needle\n",
    b".gitignore": b"*.log\n!keep.log\n/anchored.txt\nbuild/\ndocs/**/gen\ntracked.txt\n\\#hash\nspace\\ \n",
    b"a/.gitignore": b"local.txt\n!back.log\n/x\n",
    b".ignore": b"by-ignore.txt\n!undone.log\n",
    b".git/info/exclude": b"excluded.txt\n",
    b"one.log": b"needle\n",
    b"keep.log": b"needle\n",
    b"undone.log": b"needle\n",
    b"anchored.txt": b"needle\n",
    b"a/anchored.txt": b"needle\n",
    b"a/back.log": b"needle\n",
    b"a/local.txt": b"needle\n",
    b"local.txt": b"needle\n",
    b"a/x": b"needle\n",
    b"a/b/x": b"needle\n",
    b"build/made.txt": b"needle\n",
    b"a/build/made.txt": b"needle\n",
    b"b/build": b"needle\n",
    b"docs/one/two/gen/page": b"needle\n",
    b"docs/gen": b"needle\n",
    b"tracked.txt": b"needle\n",
    b"#hash": b"needle\n",
    b"space ": b"needle\n",
    b"by-ignore.txt": b"needle\n",
    b"excluded.txt": b"needle\n",
    b"global.bak": b"needle\n",
}


def rg() -> str:
    """The oracle; where it is not there the test cannot say anything, which CI does not accept."""
    found = shutil.which("rg")
    if found is None and not os.environ.get("CI"):
        pytest.skip("needs ripgrep")
    assert found is not None
    return found


@pytest.fixture
def tree(program: Program) -> Iterator[bytes]:
    """The tree, a repository of git's, with global excludes in force."""
    root = os.fsencode(program.work / "tree")
    subprocess.run(["git", "init", "-q", root], check=True)
    config = program.work / "gitconfig"
    (program.work / "excludes").write_text("*.bak\n")
    config.write_text(f"[core]\n\texcludesFile = {program.work}/excludes\n")
    program.env |= {"GIT_CONFIG_GLOBAL": str(config), "HOME": str(program.work), "XDG_CONFIG_HOME": "/nonexistent"}
    # ripgrep reads no GIT_CONFIG_GLOBAL, only the file where git looks by default.
    shutil.copy(config, program.work / ".gitconfig")
    for name, data in FILES.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(data)
    subprocess.run(["git", "-C", root, "add", "-f", "tracked.txt"], check=True, env=program.env)
    os.mkfifo(os.path.join(root, b"fifo"))
    os.symlink(b"..", os.path.join(root, b"a", b"loop"))
    os.symlink(b"plain.py", os.path.join(root, b"link.py"))
    os.symlink(b"nowhere", os.path.join(root, b"dangling"))
    yield root
    shutil.rmtree(root)


def ask(program: Program, tool: str, engine: str, **payload: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(records, summary) of one job."""
    batch = program.work / "batch.json"
    batch.write_text(json.dumps({"jobs": [{tool: payload}]}))
    env = program.env | ({"PARALLEL_RUNNER_RG": "none"} if engine == "python" else {})
    done = program("run", "-q", "-f", str(batch), env=env, timeout=30)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert records[-1]["type"] == "summary"
    assert records[-1]["engine"].startswith("ripgrep" if engine == "rg" else "python")
    return records[:-1], records[-1]


def path_of(record: dict[str, Any]) -> bytes:
    """The path, whatever bytes it has."""
    return base64.b64decode(record["path_b64"]) if "path_b64" in record else record["path"].encode()


def oracle(program: Program, root: bytes, *flags: str) -> set[bytes]:
    """What `rg --files` lists."""
    done = subprocess.run(
        [rg(), "--no-config", "--files", "-0", *flags], cwd=root, env=program.env, capture_output=True, check=True
    )
    return {name for name in done.stdout.split(b"\0") if name}


WIDER = {
    "normal": ({}, ()),
    "hidden": ({"hidden": True}, ("--hidden", "--glob", "!.git")),
    "all": ({"hidden": True, "ignored": True}, ("--hidden", "--no-ignore")),
}


@pytest.mark.parametrize("engine", ["rg", "python"])
@pytest.mark.parametrize("which", WIDER)
def test_files_are_those_that_ripgrep_lists(program: Program, tree: bytes, engine: str, which: str) -> None:
    wishes, flags = WIDER[which]
    records, summary = ask(program, "glob", engine, pattern="*", path=os.fsdecode(tree), **wishes)
    assert {path_of(record) for record in records} == oracle(program, tree, *flags)
    assert summary["total"] == len(records)
    assert not summary["truncated"]


@pytest.mark.parametrize("engine", ["rg", "python"])
def test_rules_above_the_root_hold(program: Program, tree: bytes, engine: str) -> None:
    below = os.path.join(tree, b"a")
    records, _ = ask(program, "glob", engine, pattern="*", path=os.fsdecode(below))
    assert {path_of(record) for record in records} == oracle(program, below)


def test_git_agrees_where_only_its_own_rules_count(program: Program, tree: bytes) -> None:
    os.unlink(os.path.join(tree, b".ignore"))
    listed = subprocess.run(
        ["git", "-C", tree, "ls-files", "-co", "--exclude-standard", "-z"],
        env=program.env,
        capture_output=True,
        check=True,
    )
    regular = {
        name
        for name in listed.stdout.split(b"\0")
        if name and os.path.isfile(os.path.join(tree, name)) and not os.path.islink(os.path.join(tree, name))
    }
    records, _ = ask(program, "glob", "python", pattern="*", path=os.fsdecode(tree), hidden=True)
    # Tracked although a rule ignores it: git lists it, and ripgrep does not.
    assert {path_of(record) for record in records} == regular - {b"tracked.txt"}


def matches_of_rg(program: Program, root: bytes, *arguments: str) -> set[tuple[bytes, int, int]]:
    """(path, line, column) of each matching line."""
    done = subprocess.run(
        [rg(), "--no-config", "--json", "--crlf", *arguments], cwd=root, env=program.env, capture_output=True
    )
    found = set()
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["type"] == "match":
            path = event["data"]["path"]
            name = path["text"].encode() if "text" in path else base64.b64decode(path["bytes"])
            found.add(
                (
                    name.removeprefix(b"./"),
                    event["data"]["line_number"],
                    event["data"]["submatches"][0]["start"] + 1,
                )
            )
    return found


SEARCHES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "plain": ({"pattern": "needle"}, ("needle",)),
    "any case": ({"pattern": "needle|\u00e9t\u00e9", "ignore_case": True}, ("-i", "needle|\u00e9t\u00e9")),
    "at the end": ({"pattern": "needle$"}, ("needle$",)),
    "fixed": ({"pattern": "= 1", "fixed": True}, ("-F", "= 1")),
    "word": ({"pattern": "needle", "word": True}, ("-w", "needle")),
    "hidden": ({"pattern": "needle", "hidden": True}, ("--hidden", "--glob", "!.git", "needle")),
    "all": ({"pattern": "needle", "hidden": True, "ignored": True}, ("--hidden", "--no-ignore", "needle")),
}


@pytest.mark.parametrize("engine", ["rg", "python"])
@pytest.mark.parametrize("which", SEARCHES)
def test_lines_are_those_that_ripgrep_finds(program: Program, tree: bytes, engine: str, which: str) -> None:
    wishes, arguments = SEARCHES[which]
    records, summary = ask(program, "grep", engine, path=os.fsdecode(tree), **wishes)
    found = {(path_of(record), record["line"], record["column"]) for record in records}
    assert found == matches_of_rg(program, tree, *arguments)
    assert summary["matches"] == len(records) > 0
    assert max(len(record["text"]) for record in records) <= 500, "a huge line is shown around its match"


@pytest.mark.parametrize("engine", ["rg", "python"])
def test_a_cut_is_told_with_what_would_show_all(program: Program, tree: bytes, engine: str) -> None:
    records, summary = ask(program, "grep", engine, pattern="needle", path=os.fsdecode(tree), max_matches=3)
    assert len(records) == summary["shown"] == 3
    assert summary["truncated"]
    assert f"max_matches: {summary['matches']}" in " ".join(summary["notes"])


@pytest.mark.parametrize("engine", ["rg", "python"])
def test_never_a_bare_zero(program: Program, tree: bytes, engine: str) -> None:
    root = os.fsdecode(tree)
    _, nothing = ask(program, "grep", engine, pattern="NEEDLE = 1", path=root)
    assert nothing["matches"] == 0
    assert nothing["elsewhere"] == {"ignore_case": 1, "hidden": 0, "hidden_or_ignored": 0}
    _, nothing = ask(program, "glob", engine, pattern="*.bak", path=root)
    assert nothing["elsewhere"] == {"hidden": 0, "hidden_or_ignored": 1}


def test_reading_tells_encoding_and_where_to_go_on(program: Program, tree: bytes) -> None:
    root = os.fsdecode(tree)
    for name, encoding, text in (
        ("latin-1.txt", "latin-1", "caf\xe9 needle\n"),
        ("utf-16.txt", "utf-16", "one\nneedle \u00e9\n"),
        ("unicode.txt", "utf-8", "STRASSE \u00c9T\u00c9 needle\n"),
    ):
        (span,), _ = ask(program, "read", "python", path=f"{root}/{name}")
        assert (span["encoding"], span["text"]) == (encoding, text)
    (span,), summary = ask(program, "read", "python", path=f"{root}/plain.py", offset=2, limit=1)
    assert (span["start"], span["end"], span["text"]) == (2, 2, "needle = 1\n")
    assert summary["truncated"]
    assert "offset: 3" in summary["notes"][0]
    (span,), _ = ask(program, "read", "python", path=f"{root}/huge-line.js")
    assert len(span["text"]) < 2100


LINES = "a\fb needle\n\v needle\nc\u2028needle\nd\x85needle\r\ne\x1cneedle\rf\nneedle"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("engine", ["rg", "python"])
def test_lines_have_the_numbers_that_grep_gives_them(program: Program, engine: str, encoding: str) -> None:
    (program.work / "odd.txt").write_bytes(LINES.encode(encoding))
    matches, _ = ask(program, "grep", engine, pattern="needle", path=str(program.work), glob="odd.txt")
    assert [record["line"] for record in matches] == [1, 2, 3, 4, 5, 6]
    for number, text in enumerate(LINES.split("\n"), 1):
        path = str(program.work / "odd.txt")
        (span,), summary = ask(program, "read", "python", path=path, offset=number, limit=1)
        assert span["text"].removesuffix("\n") == text
        assert summary["lines"] == 6


@pytest.mark.parametrize("coding", ["undefined", "idna", "punycode", "no-such", "rot13"])
def test_a_coding_line_that_says_nonsense_is_not_followed(program: Program, coding: str) -> None:
    (program.work / "odd.py").write_bytes(b"# coding: %s\ncaf\xe9\n" % coding.encode())
    (span,), summary = ask(program, "read", "python", path=str(program.work / "odd.py"))
    assert (span["text"], span["encoding"], span["encoding_guessed"]) == (
        f"# coding: {coding}\ncaf\xe9\n",
        "latin-1",
        True,
    )
    assert summary["notes"] == [f"its coding line says {coding}, which it is not; read as latin-1"]


def test_text_that_no_record_can_carry_is_replaced(program: Program) -> None:
    (program.work / "odd.py").write_bytes(b"# coding: unicode_escape\n\\ud800 \\xe9\n")
    (span,), _ = ask(program, "read", "python", path=str(program.work / "odd.py"))
    assert span["text"] == "# coding: unicode_escape\n? \xe9\n"


@pytest.mark.parametrize("name", ["fifo", "a", "binary.bin", "plane.py", "dangling"])
def test_what_cannot_be_read_is_told_at_once(program: Program, tree: bytes, name: str) -> None:
    batch = program.work / "batch.json"
    batch.write_text(json.dumps({"jobs": [{"read": os.fsdecode(os.path.join(tree, name.encode()))}]}))
    done = program("run", "-f", str(batch), timeout=20)
    assert done.returncode == 1
    assert name.encode() in done.stderr
    if name == "plane.py":
        assert b"there is: plain.py" in done.stderr
