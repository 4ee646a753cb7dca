"""The tool `grep`: which lines of a tree match a pattern."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any, Literal

import msgspec

from parallel_runner.model.ports import Call, JobContext, Launch
from parallel_runner.tools.glob_files import list_tree
from parallel_runner.tools.globs import GlobError, compile_glob
from parallel_runner.tools.records import ANSWERED, PARTIAL, Records, fail, put, readable
from parallel_runner.tools.ripgrep import CHOICE, base_arguments, find_rg

_MAX_EVENT = 64 * 1024 * 1024
"""Bytes of one of ripgrep's records; a longer one is not read."""
_LEFT_OUT = "left out"
_MOST_COMPLAINTS = 1000
_SHOWN_COMPLAINTS = 20
_BINARY_LOOK = 8192


class GrepPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a grep job looks for."""

    pattern: bytes
    """A regular expression, or with `fixed` plain text."""
    path: bytes = b"."
    """A directory or a file."""
    glob: bytes = b""
    """Only files whose path matches."""
    fixed: bool = False
    ignore_case: bool = False
    word: bool = False
    """Only whole words."""
    hidden: bool = False
    ignored: bool = False
    max_matches: int = 250
    """Lines that are shown; all are counted."""
    max_columns: int = 500
    """Bytes of a line that are shown, around its first match."""
    output: Literal["matches", "files"] = "matches"
    """files: one record per file, with its count."""


class Hit(msgspec.Struct):
    """A matching line."""

    path: bytes
    line: int
    start: int
    text: bytes


class Found(msgspec.Struct):
    """What a search came to."""

    engine: str
    errors: list[str]
    notes: list[str]
    fatal: str = ""


class GrepTool:
    """Finds lines by what they say."""

    name = "grep"
    read_only = True
    payload_type = GrepPayload
    main_field = "pattern"

    def check(self, payload: msgspec.Struct) -> Sequence[str]:
        """The glob is one, limits are counts, the pattern could match something."""
        assert isinstance(payload, GrepPayload)
        wrong = [] if payload.pattern else ["pattern: is empty, and would match every line"]
        if b"\n" in payload.pattern or b"\0" in payload.pattern:
            wrong.append("pattern: has a newline or a NUL byte, which no line of text has")
        wrong += [f"{key}: has a NUL byte" for key in ("path", "glob") if b"\0" in getattr(payload, key)]
        try:
            compile_glob(payload.glob or b"*")
        except GlobError as error:
            wrong.append(f"glob: {error}")
        wrong += [
            f"{key}: must be at least 1" for key in ("max_matches", "max_columns") if getattr(payload, key) < 1
        ]
        return wrong

    def preload(self) -> None:
        """Find the engine."""
        find_rg(os.environ.get(CHOICE, ""))

    def describe(self, payload: msgspec.Struct) -> bytes:
        """The pattern and the root."""
        assert isinstance(payload, GrepPayload)
        return b"grep " + payload.pattern + b" in " + payload.path

    def prepare(self, payload: msgspec.Struct, context: JobContext) -> Launch:
        """Runs in a child of the worker."""
        assert isinstance(payload, GrepPayload)
        return Call(lambda: run_grep(payload), partial=True)


def run_grep(payload: GrepPayload) -> int:
    """Print a record for each line or file and a summary; returns the exit code."""
    # A FIFO that is named would be waited for without end.
    if not os.path.isdir(payload.path) and not os.path.isfile(payload.path):
        return fail(f"{readable(payload.path)} is neither a directory nor a regular file")
    found, hits = search(payload)
    records = Records()
    counts: dict[bytes, int] = {}
    shown = 0
    for hit in hits:
        counts[hit.path] = counts.get(hit.path, 0) + 1
        if payload.output == "matches" and shown < payload.max_matches:
            shown += 1
            records.add(_match_record(hit, payload.max_columns))
    if found.fatal:
        return fail(found.fatal)
    if payload.output == "files":
        for path, count in list(counts.items())[: payload.max_matches]:
            shown += 1
            records.add(put({"type": "file", "count": count}, "path", path))
    records.add(_summary(payload, found, counts, shown))
    records.flush()
    return PARTIAL if found.errors else ANSWERED


def _match_record(hit: Hit, columns: int) -> dict[str, Any]:
    text = hit.text.rstrip(b"\r\n")
    record: dict[str, Any] = put({"type": "match"}, "path", hit.path)
    record |= {"line": hit.line, "column": hit.start + 1}
    left = max(0, min(hit.start - columns // 4, len(text) - columns))
    shown = text[left : left + columns]
    if len(shown) < len(text):
        record["cut"] = [left, len(text) - left - len(shown)]
    return put(record, "text", shown)


def _summary(payload: GrepPayload, found: Found, counts: dict[bytes, int], shown: int) -> dict[str, Any]:
    total = sum(counts.values())
    whole = len(counts) if payload.output == "files" else total
    summary: dict[str, Any] = {
        "type": "summary",
        "engine": found.engine,
        "matches": total,
        "files": len(counts),
        "shown": shown,
        "truncated": shown < whole,
        "partial": bool(found.errors),
        "errors": found.errors[:_SHOWN_COMPLAINTS],
        "notes": list(found.notes),
    }
    if shown < whole:
        summary["notes"].append(f"{whole - shown} more; max_matches: {whole} shows all, or narrow path or glob")
    if not total:
        summary["elsewhere"] = _elsewhere(payload)
    return summary


def _elsewhere(payload: GrepPayload) -> dict[str, int]:
    """Never a bare zero: how many matches there are where nobody looked."""
    wider = {
        "ignore_case": msgspec.structs.replace(payload, ignore_case=True),
        "hidden": msgspec.structs.replace(payload, hidden=True),
        "hidden_or_ignored": msgspec.structs.replace(payload, hidden=True, ignored=True),
    }
    return {key: sum(1 for _ in search(one)[1]) for key, one in wider.items() if one != payload}


def search(payload: GrepPayload) -> tuple[Found, Iterator[Hit]]:
    """Search; the first part is complete once the second is exhausted."""
    rg = find_rg(os.environ.get(CHOICE, ""))
    if rg is not None:
        found = Found(rg[1], [], [])
        return found, _by_ripgrep(rg[0], payload, found)
    found = Found("python", [], ["expressions are Python's: look-around and references work, \\p{…} does not"])
    return found, _by_python(payload, found)


def _by_ripgrep(rg: str, payload: GrepPayload, found: Found) -> Iterator[Hit]:
    glob = compile_glob(payload.glob) if payload.glob else None
    searches = 0
    # Complaints go to a file: many of them would fill a pipe, which nobody reads before the matches have ended.
    with (
        open(os.memfd_create("complaints"), "w+b") as complaints,
        subprocess.Popen(
            _command_line(rg, payload), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
        ) as process,
    ):
        assert process.stdout is not None
        for kind, data in _events(process.stdout):
            if kind == "summary":
                searches = data["stats"]["searches"]
                continue
            if kind not in ("match", _LEFT_OUT):
                continue
            path = _path_in(data, payload.path)
            if glob is not None and not glob.match(path):
                continue
            if kind == "match":
                starts = data["submatches"]
                start = starts[0]["start"] if starts else 0
                yield Hit(path, data["line_number"] or 0, start, _bytes(data["lines"]))
            else:
                found.errors.append(f"{readable(path)}: a matching line is too long to be read, and is not counted")
        _note_end(process.wait(), complaints, searches, found)


def _command_line(rg: str, payload: GrepPayload) -> list[str | bytes]:
    arguments: list[str | bytes] = [*base_arguments(rg, hidden=payload.hidden, ignored=payload.ignored), "--json"]
    flags = {"--fixed-strings": payload.fixed, "--ignore-case": payload.ignore_case, "--word-regexp": payload.word}
    arguments += [flag for flag, wanted in flags.items() if wanted]
    # `-g` would override ignore rules; a type does not, but knows only last components, and colons mean something.
    # It spares ripgrep files; what is found in others is left out all the same.
    if payload.glob and b"/" not in payload.glob and b":" not in payload.glob:
        arguments += ["--type-add", b"wanted:" + payload.glob, "-twanted"]
    return [*arguments, "--crlf", "--regexp", payload.pattern, "--", payload.path]


def _events(stream: IO[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """ripgrep's records as (type, data); in place of one that is too long, one that says in which file it was."""
    begun: dict[str, Any] = {}
    while line := stream.readline(_MAX_EVENT):
        if len(line) == _MAX_EVENT and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_MAX_EVENT)
            yield _LEFT_OUT, begun
            continue
        try:
            event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue  # It was killed in the middle of a record; its end says so.
        if event["type"] == "begin":
            begun = event["data"]
        yield event["type"], event["data"]


def _note_end(code: int, complaints: IO[bytes], searches: int, found: Found) -> None:
    """What ripgrep's end says of its answer: 0 and 1 are answers, whole ones."""
    if code in (0, 1):
        return
    complaints.seek(0)
    told = [line.decode("utf-8", "backslashreplace").rstrip("\n") for line in islice(complaints, _MOST_COMPLAINTS)]
    told = [line for line in told if line]
    found.errors += told or [f"ripgrep ended with {f'code {code}' if code > 0 else f'signal {-code}'}"]
    if not searches:
        more = len(found.errors) + sum(1 for _ in complaints) - _SHOWN_COMPLAINTS
        found.fatal = "\n".join(found.errors[:_SHOWN_COMPLAINTS]) + (f"\n{more} more" if more > 0 else "")


def _path_in(data: dict[str, Any], root: bytes) -> bytes:
    path = _bytes(data["path"])
    return os.path.relpath(path, root) if os.path.isdir(root) else path


def _bytes(value: dict[str, str]) -> bytes:
    return value["text"].encode() if "text" in value else base64.b64decode(value["bytes"])


def _by_python(payload: GrepPayload, found: Found) -> Iterator[Hit]:
    # As text, so that case and words are Unicode's; bytes that are no text stay what they are.
    source = payload.pattern.decode("utf-8", "surrogateescape")
    source = re.escape(source) if payload.fixed else source
    if payload.word:
        source = rf"(?<!\w)(?:{source})(?!\w)"
    try:
        pattern = re.compile(source, re.IGNORECASE if payload.ignore_case else 0)
    except re.error as error:
        found.fatal = f"{readable(payload.pattern)} is no regular expression: {error}"
        return
    glob = compile_glob(payload.glob or b"*")
    if os.path.isfile(payload.path):
        yield from _in_file(payload.path, payload.path, pattern, found)
        return
    listing = list_tree(payload.path, hidden=payload.hidden, ignored=payload.ignored)
    found.errors += listing.errors
    for name in listing.files:
        if glob.match(name):
            yield from _in_file(os.path.join(payload.path, name), name, pattern, found)


def _in_file(path: bytes, name: bytes, pattern: re.Pattern[str], found: Found) -> Iterator[Hit]:
    try:
        with open(path, "rb") as file:
            head = file.read(_BINARY_LOOK)
            file.seek(0)
            lines: Iterable[bytes] = file
            if head.startswith((b"\xff\xfe", b"\xfe\xff")):
                lines = io.BytesIO(file.read().decode("utf-16", "replace").encode())
            elif b"\0" in head:
                return
            for number, line in enumerate(lines, 1):
                if b"\0" in line:
                    found.notes.append(f"{readable(name)}: binary from line {number} on")
                    return
                text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
                match = pattern.search(text)
                if match:
                    start = len(text[: match.start()].encode("utf-8", "surrogateescape"))
                    yield Hit(name, number, start, line)
    except OSError as error:
        found.errors.append(f"{readable(name)}: {error.strerror}")
