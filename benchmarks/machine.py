"""What the figures belong to: processor, kernel, file system, versions."""

from __future__ import annotations

import importlib.util
import os
import platform
import sqlite3
import subprocess

from benchmarks.records import Machine
from parallel_runner.errors import UsageError
from parallel_runner.version import __version__

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(ROOT, "benchmarks", "results")
_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")


def describe(scratch: str) -> Machine:
    """This machine, and the file system of `scratch`."""
    return Machine(
        cpu=cpu_model(_read("/proc/cpuinfo")),
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        python=platform.python_version(),
        file_system=file_system(scratch),
        bytecode=has_bytecode("click"),
    )


def own_versions() -> dict[str, str]:
    """What we are made of, as far as it shows in the figures."""
    return {"parallel-runner": __version__, "commit": _commit(), "sqlite": sqlite3.sqlite_version}


def _commit() -> str:
    """The checkout's commit, with a plus when files were changed since; empty outside a checkout."""
    told = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty=+", "--abbrev=10"], capture_output=True, text=True
    )
    return told.stdout.strip()


def cpu_model(text: str) -> str:
    """The processor's name out of /proc/cpuinfo; some architectures give none."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def file_system(path: str) -> str:
    """Type of the file system that a path stands on."""
    return type_of_mount(_read("/proc/self/mountinfo"), os.path.realpath(path))


def type_of_mount(mountinfo: str, path: str) -> str:
    """The type of the longest mount point above `path`; of equal ones the last, which hides the others."""
    best, kind = "", "unknown"
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        point = fields[4].encode().decode("unicode_escape")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def refuse_memory(scratch: str) -> None:
    """Raise UsageError when `scratch` is no disk: a journal in memory would flatter us."""
    kind = file_system(scratch)
    if kind in _IN_MEMORY:
        raise UsageError(f"{scratch} is in memory ({kind}); name a directory on a disk with --scratch")


def has_bytecode(package: str) -> bool:
    """Whether an installed package was compiled; without, Python starts about half as fast."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return False
    return os.path.exists(importlib.util.cache_from_source(spec.origin))


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
