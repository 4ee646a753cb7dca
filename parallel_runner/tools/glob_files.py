"""The tool `glob`: which files of a tree match a pattern."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from parallel_runner.model.ports import Call, JobContext, Launch
from parallel_runner.tools.globs import GlobError, compile_glob
from parallel_runner.tools.ignoring import Walk
from parallel_runner.tools.records import ANSWERED, PARTIAL, Records, fail, put, readable
from parallel_runner.tools.ripgrep import CHOICE, find_rg, list_files


class GlobPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a glob job looks for."""

    pattern: bytes
    """`*.py` at any depth, or with a slash against the whole path: `src/**/test_*.py`."""
    path: bytes = b"."
    """The tree's root."""
    hidden: bool = False
    """Names that begin with a dot as well."""
    ignored: bool = False
    """Files that ignore rules leave out as well."""
    max_results: int = 1000
    """Files that are listed; all are counted."""
    sort: Literal["path", "mtime"] = "path"
    """mtime: the latest first."""


class Listing(msgspec.Struct):
    """The files of a tree."""

    files: list[bytes]
    errors: list[str]
    engine: str
    notes: list[str]


def list_tree(root: bytes, *, hidden: bool, ignored: bool) -> Listing:
    """The regular files below a root, relative to it, by ripgrep, else by Python."""
    found = find_rg(os.environ.get(CHOICE, ""))
    if found is not None:
        files, errors = list_files(found[0], root, hidden=hidden, ignored=ignored)
        return Listing(files, errors, found[1], [])
    walk = Walk(root, hidden=hidden, ignored=ignored)
    files = sorted(walk.files())
    return Listing(files, walk.errors, "python", [])


class GlobTool:
    """Finds files by name."""

    name = "glob"
    read_only = True
    payload_type = GlobPayload
    main_field = "pattern"

    def check(self, payload: msgspec.Struct) -> Sequence[str]:
        """The pattern is one, and the limit is a count."""
        assert isinstance(payload, GlobPayload)
        try:
            compile_glob(payload.pattern)
        except GlobError as error:
            return [f"pattern: {error}"]
        return [] if payload.max_results > 0 else ["max_results: must be at least 1"]

    def preload(self) -> None:
        """Find the engine."""
        find_rg(os.environ.get(CHOICE, ""))

    def describe(self, payload: msgspec.Struct) -> bytes:
        """The pattern and the root."""
        assert isinstance(payload, GlobPayload)
        return b"glob " + payload.pattern + b" in " + payload.path

    def prepare(self, payload: msgspec.Struct, context: JobContext) -> Launch:
        """Runs in a child of the worker."""
        assert isinstance(payload, GlobPayload)
        return Call(lambda: run_glob(payload), partial=True)


def run_glob(payload: GlobPayload) -> int:
    """Print a record for each file and a summary; returns the exit code."""
    if not os.path.isdir(payload.path):
        return fail(f"{readable(payload.path)} is no directory")
    listing = list_tree(payload.path, hidden=payload.hidden, ignored=payload.ignored)
    matcher = compile_glob(payload.pattern)
    names = [name for name in listing.files if matcher.match(name)]
    rows = [(name, _stat(os.path.join(payload.path, name))) for name in names]
    if payload.sort == "mtime":
        rows.sort(key=lambda row: (-(row[1].st_mtime_ns if row[1] else 0), row[0]))
    records = Records()
    for name, status in rows[: payload.max_results]:
        record = put({"type": "file"}, "path", name)
        if status is not None:
            record |= {"size": status.st_size, "mtime": status.st_mtime}
            record["link"] = stat.S_ISLNK(status.st_mode)
        records.add(record)
    records.add(_summary(payload, listing, matcher.match, len(rows)))
    records.flush()
    return PARTIAL if listing.errors else ANSWERED


def _summary(payload: GlobPayload, listing: Listing, matches: Any, total: int) -> dict[str, Any]:
    shown = min(total, payload.max_results)
    summary: dict[str, Any] = {
        "type": "summary",
        "engine": listing.engine,
        "total": total,
        "shown": shown,
        "truncated": shown < total,
        "searched": len(listing.files),
        "partial": bool(listing.errors),
        "errors": listing.errors[:20],
        "notes": list(listing.notes),
    }
    if shown < total:
        summary["notes"].append(f"{total - shown} more; max_results: {total} lists all")
    if not total:
        summary["elsewhere"] = _elsewhere(payload, matches)
    return summary


def _elsewhere(payload: GlobPayload, matches: Any) -> dict[str, int]:
    """Never a bare zero: how many there are where nobody looked."""
    found = {}
    for key, hidden, ignored in (("hidden", True, payload.ignored), ("hidden_or_ignored", True, True)):
        if (hidden, ignored) != (payload.hidden, payload.ignored):
            wider = list_tree(payload.path, hidden=hidden, ignored=ignored)
            found[key] = sum(1 for name in wider.files if matches(name))
    return found


def _stat(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None
