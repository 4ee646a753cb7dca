"""A control group of its own for a job with a limit of memory or processes, where one can be had (cgroup v2).

Whether it can is found out by trying. Entering a group costs up to milliseconds, so only jobs with such a limit get
one; all others are held by the subreaper, which lets nothing escape either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CONTROLLERS = frozenset({"memory", "pids"})
_OWN = "parallel-runner"


@dataclass(frozen=True)
class Delegation:
    """A directory in which groups can be made."""

    path: str
    home: str
    """The group that this process is in."""
    controllers: frozenset[str]
    """Of CONTROLLERS, what groups made there have."""


def delegation(mounts: str = "/proc/self/mountinfo", own: str = "/proc/self/cgroup") -> Delegation | None:
    """Where this process may make groups with limits; None: nowhere.

    When this process is alone in its group (`systemd-run --scope -p Delegate=yes`), it moves into a group below, as
    the kernel wants no processes where controllers are handed on. A group shared with others is left as it is.
    """
    base = _own_group(mounts, own)
    if base is None:
        return None
    try:
        has = frozenset(_read(f"{base}/cgroup.subtree_control").split()) & CONTROLLERS
        home = base
        wanted = frozenset(_read(f"{base}/cgroup.controllers").split()) & CONTROLLERS
        if wanted - has and _read(f"{base}/cgroup.procs").split() == [str(os.getpid())]:
            home = f"{base}/{_OWN}-{os.getpid()}"
            os.mkdir(home)
            _write(f"{home}/cgroup.procs", "0")
            _write(f"{base}/cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(wanted)))
            has = wanted
        return _tried(Delegation(base, home, has)) if has else None
    except OSError:
        return None


def _own_group(mounts: str, own: str) -> str | None:
    group = next((line[3:] for line in _read(own).splitlines() if line.startswith("0::")), None)
    for line in _read(mounts).splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 ") and group is not None:
            root, point = before.split()[3:5]
            # Blanks stand as \040 there. A container may see a part of the tree only.
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
            inner = group[len(root) :] if root != "/" and group.startswith(root) else group
            return os.path.normpath(f"{point}/{inner}")
    return None


def _tried(found: Delegation) -> Delegation | None:
    trial = Group(found, f"trial-{os.getpid()}")
    try:
        trial.make(None, None)
    except OSError:
        return None
    trial.remove()
    return found


class Group:
    """One job's group."""

    def __init__(self, where: Delegation, name: str) -> None:
        self._where = where
        self._path = f"{where.path}/{_OWN}-{name}"

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel itself holds the job to its memory."""
        return "memory" in self._where.controllers

    def make(self, memory: int | None, processes: int | None) -> None:
        """Make it, with limits in bytes and in number; what no controller is there for is left out.

        Raises:
            OSError: it cannot be had.
        """
        os.mkdir(self._path)
        try:
            if memory is not None and self.limits_memory:
                self._set("memory.max", str(memory))
                # All of it or nothing: half a job that goes on without its other half is worse than none.
                self._set("memory.oom.group", "1")
                if os.path.exists(f"{self._path}/memory.swap.max"):
                    self._set("memory.swap.max", "0")
            if processes is not None and "pids" in self._where.controllers:
                self._set("pids.max", str(processes))
        except OSError:
            self.remove()
            raise

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be in the group: what is started meanwhile is born there, and so is all that it starts."""
        self._set("cgroup.procs", "0")
        try:
            yield
        finally:
            _write(f"{self._where.home}/cgroup.procs", "0")

    def kill(self) -> None:
        """Have the kernel kill all that is in it."""
        try:
            self._set("cgroup.kill", "1")
        except OSError:
            return  # Before Linux 5.14; the caller kills one by one as well.

    def killed_for_memory(self) -> bool:
        """Whether the kernel ended something in it for its memory."""
        counts = dict(line.split() for line in self._get("memory.events").splitlines())
        return int(counts.get("oom_kill", 0)) > 0

    def peak(self) -> int:
        """Most bytes of memory that it ever had; 0 when the kernel does not say."""
        text = self._get("memory.peak").strip()
        return int(text) if text.isdigit() else 0

    def remove(self) -> None:
        """Remove it; one in which something was left running stays until that ends."""
        try:
            os.rmdir(self._path)
        except OSError:
            return

    def _set(self, name: str, value: str) -> None:
        _write(f"{self._path}/{name}", value)

    def _get(self, name: str) -> str:
        try:
            return _read(f"{self._path}/{name}")
        except OSError:
            return ""


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _write(path: str, value: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(value)
