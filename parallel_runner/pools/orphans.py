"""Children of the supervisor that are no workers: what a lost worker's job left behind.

The supervisor is a subreaper, so they come to it whatever they did to get away (`env -i setsid` included). They are
killed and reaped before the loss is told, or a retry could run beside the attempt it replaces.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection

from parallel_runner.pools import kernel
from parallel_runner.pools.plans import MARK


class Orphans:
    """Finds and ends orphans of lost workers."""

    def __init__(self) -> None:
        # A shell that `exec`s us hands over its background jobs: those are the user's.
        self._spared = set(kernel.children(os.getpid()))
        self._kept_tokens: set[bytes] = set()

    def spare(self, token: str) -> None:
        """What this worker's last job left is to live."""
        self._kept_tokens.add(token.encode())

    def sweep(self, workers: Collection[int]) -> bool:
        """Kill and reap what is there; `workers` are pids not to touch. True when nothing is left."""
        clean = True
        for pid in kernel.children(os.getpid()):
            if pid in workers or pid in self._spared:
                continue
            if kernel.state_of(pid) == "Z":
                _reap(pid)
                continue
            if self._is_kept(pid):
                self._spared.add(pid)
                continue
            clean = False
            for victim in [pid, *kernel.descendants(pid)]:
                try:
                    os.kill(victim, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
        return clean

    def _is_kept(self, pid: int) -> bool:
        if not self._kept_tokens:
            return False
        return not self._kept_tokens.isdisjoint(_marks_of(pid))


def kill_marked(workers: Collection[str]) -> list[int]:
    """Kill what is left of the last jobs of workers that died together with their supervisor; returns the pids.

    Found by the mark in their environment, as nobody who knew their pids is left.
    """
    wanted = {worker.encode() for worker in workers}
    killed = []
    for name in os.listdir("/proc") if wanted else ():
        if name.isdigit() and int(name) != os.getpid() and not wanted.isdisjoint(_marks_of(int(name))):
            try:
                os.kill(int(name), signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
            killed.append(int(name))
    return killed


def _marks_of(pid: int) -> set[bytes]:
    """The workers whose mark a process carries."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            data = file.read()
    except OSError:
        return set()
    prefix = MARK + b"="
    return {item[len(prefix) :].split(b":")[0] for item in data.split(b"\0") if item.startswith(prefix)}


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
