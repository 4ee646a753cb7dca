"""Finding ripgrep, and listing files with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import lru_cache

OLDEST = 13
CHOICE = "PARALLEL_RUNNER_RG"
"""Environment variable: a path, or `none` for the Python engine."""


@lru_cache(maxsize=8)
def find_rg(choice: str = "") -> tuple[str, str] | None:
    """(path, label) of a ripgrep to use: on PATH if it is new enough, else the one installed beside Python."""
    if choice == "none":
        return None
    beside = os.path.join(os.path.dirname(sys.executable), "rg")
    for path in (choice,) if choice else (shutil.which("rg"), beside):
        version = _version(path) if path else None
        if path and version and version[0] >= OLDEST:
            return path, f"ripgrep {'.'.join(map(str, version))}"
    return None


def _version(path: str) -> tuple[int, ...] | None:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(rb"ripgrep (\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(int(part) for part in match.groups()) if match else None


def base_arguments(path: str, *, hidden: bool, ignored: bool) -> list[str]:
    """The start of a command line: the user's own ripgrep configuration must not change answers."""
    # Ignore files mean the same in a tree that git knows and in one that it does not.
    arguments = [path, "--no-config", "--no-require-git", "-j1"]
    if hidden:
        arguments += ["--hidden", "--glob", "!.git"] if not ignored else ["--hidden"]
    if ignored:
        arguments.append("--no-ignore")
    return arguments


def list_files(path: str, root: bytes, *, hidden: bool, ignored: bool) -> tuple[list[bytes], list[str]]:
    """(files relative to the root, complaints)."""
    arguments: list[str | bytes] = [
        *base_arguments(path, hidden=hidden, ignored=ignored),
        "--files",
        "-0",
        "--",
        b"./",
    ]
    done = subprocess.run(arguments, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    files = sorted(name[2:] if name.startswith(b"./") else name for name in done.stdout.split(b"\0") if name)
    return files, [line.decode("utf-8", "backslashreplace") for line in done.stderr.splitlines()]
