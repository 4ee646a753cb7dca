"""The processes of the attempt in hand: everything that descends from this worker."""

from __future__ import annotations

import os
import resource

from parallel_runner.pools import kernel


class Tree:
    """What the command started, however deep, and what all of it used.

    The worker is a child subreaper and runs one attempt at a time, so every descendant of the worker belongs to it.
    """

    def __init__(self) -> None:
        self._own_peak = 0
        """The worker's own peak when it was last looked at, KiB; it never falls."""
        self.begin()

    def begin(self) -> None:
        """Ready for another attempt."""
        self.pid = 0
        """The command itself."""
        self.status: int | None = None
        """Its wait status, once it is reaped."""
        self.user = self.system = 0.0
        """Seconds of CPU of all that was reaped."""
        self.rss = 0
        """Peak memory in bytes as far as it could be told; 0: not at all."""

    def signal(self, number: int) -> None:
        """Send a signal to all of it."""
        if self.status is None:
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                pass
        for pid in kernel.descendants(os.getpid()):
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                continue

    def sample(self) -> int:
        """Bytes of memory that all of it has now."""
        used = kernel.tree_memory(kernel.descendants(os.getpid()))
        self.rss = max(self.rss, used)
        return used

    def reap(self, pid: int) -> None:
        """Take the end of one process, if it has ended."""
        try:
            reaped, status, usage = os.wait4(pid, os.WNOHANG)
        except ChildProcessError:
            return
        if reaped == 0:
            return
        self.user += usage.ru_utime
        self.system += usage.ru_stime
        if reaped == self.pid:
            self.status = status
        # A spawned child starts with its parent's peak: below that nothing can be told of its own.
        if usage.ru_maxrss > self._own_peak:
            self._own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if usage.ru_maxrss > self._own_peak:
                self.rss = max(self.rss, usage.ru_maxrss * 1024)

    def reap_all(self) -> None:
        """Take the ends of all that have ended."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            self.reap(found.si_pid)


def has_children() -> bool:
    """Whether anything is left: one system call."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
