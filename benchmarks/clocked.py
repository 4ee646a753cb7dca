"""Running one command by the clock, and telling its own CPU time from that of its children."""

from __future__ import annotations

import os
import resource
import select
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from parallel_runner.errors import ParallelRunnerError


class RunError(ParallelRunnerError):
    """A measured command failed; its figures would mean nothing."""

    exit_code = 1


@dataclass(frozen=True, kw_only=True)
class Command:
    """What is run, and on which files."""

    argv: Sequence[str]
    stdin: str = os.devnull
    stdout: str = os.devnull
    stderr: str = os.devnull
    env: Mapping[str, str] = field(default_factory=dict)
    """On top of our own environment."""
    cwd: str = "."


@dataclass(frozen=True, kw_only=True)
class Clocked:
    """How it went."""

    seconds: float
    own_cpu: float
    """CPU seconds, user and system, of the process itself; children not counted."""
    all_cpu: float
    """The same with all the children that it waited for."""
    others: float
    """Cores that everybody else on the machine kept busy meanwhile, on average."""


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours, with `extra` on top, and without what would keep Python from using compiled bytecode."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME", "PYTHONDEVMODE", "PYTHONWARNINGS")
    return {**{name: value for name, value in os.environ.items() if name not in dropped}, **extra}


def start(command: Command) -> subprocess.Popen[bytes]:
    """Start a command; the caller waits for it."""
    with (
        open(command.stdin, "rb") as stdin,
        open(command.stdout, "wb") as stdout,
        open(command.stderr, "wb") as stderr,
    ):
        return subprocess.Popen(
            list(command.argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment(command.env),
            cwd=command.cwd,
        )


def ended(pidfd: int, timeout: float) -> bool:
    """Wait at most `timeout` seconds for a process to end, without reaping it."""
    return bool(select.select([pidfd], [], [], timeout)[0])


def finish(process: subprocess.Popen[bytes], command: Command) -> float:
    """Wait for a command without reaping it first; returns its own CPU seconds.

    Raises:
        RunError: it failed; the last lines of its stderr are told.
    """
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    # Between its end and the reaping the kernel still tells its own times apart from its children's.
    own = own_cpu(_read(f"/proc/{process.pid}/stat"), os.sysconf("SC_CLK_TCK"))
    code = process.wait()
    if code != 0:
        raise RunError(f"{shlex.join(command.argv)}: exit code {code}{_last_words(command.stderr)}")
    return own


def clock(command: Command) -> Clocked:
    """Run a command from start to end.

    Raises:
        RunError: it failed.
    """
    ticks = os.sysconf("SC_CLK_TCK")
    busy, used = busy_seconds(_read("/proc/stat"), ticks), _used_by_children()
    before = time.perf_counter()
    process = start(command)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    seconds = time.perf_counter() - before
    own = finish(process, command)
    used = _used_by_children() - used
    busy = busy_seconds(_read("/proc/stat"), ticks) - busy
    return Clocked(seconds=seconds, own_cpu=own, all_cpu=used, others=max(0.0, busy - used) / seconds)


def busy_seconds(stat: str, ticks: int) -> float:
    """Seconds that all cores together were not idle, out of /proc/stat at `ticks` a second; stolen time counts."""
    user, nice, system, _, _, *rest = (int(field) for field in stat.splitlines()[0].split()[1:9])
    return (user + nice + system + sum(rest)) / ticks


def _used_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def own_cpu(stat: str, ticks: int) -> float:
    """User and system seconds out of /proc/PID/stat, at `ticks` a second."""
    # The name, in parentheses, may hold anything; what counts starts after the last of them.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / ticks


def _last_words(path: str, limit: int = 2000) -> str:
    if path == os.devnull:
        return ""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
        text = file.read().decode(errors="backslashreplace").strip()
    return f"; it said:\n{text}" if text else "; it said nothing"
