"""The two calls to the kernel that Python's library does not have, and who descends from whom."""

from __future__ import annotations

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_libc = ctypes.CDLL(None, use_errno=True)


def set_subreaper(*, on: bool) -> bool:
    """Whether orphaned descendants become children of this process; returns whether they did before."""
    before = ctypes.c_int(0)
    _libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)
    return bool(before.value)


def die_with_parent(signal_number: int, parent: int) -> None:
    """Have the kernel send `signal_number` to this process when its parent ends; at once if it has ended."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def children(pid: int) -> list[int]:
    """The direct children of a process; empty when it is gone."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    except FileNotFoundError:
        if not _HAS_CHILDREN_FILE:
            return _children_by_scan(pid)
    except (ProcessLookupError, PermissionError):
        pass
    return found


_HAS_CHILDREN_FILE = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _children_by_scan(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and parent_of(int(name)) == parent:
            found.append(int(name))
    return found


def stat_fields(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the third (state) on; None when the process is gone."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(fd, 4096)
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the name in brackets, and may hold anything, brackets and blanks included.
    return data[data.rfind(b")") + 2 :].split()


def parent_of(pid: int) -> int | None:
    """The parent's pid; None when the process is gone."""
    fields = stat_fields(pid)
    return int(fields[1]) if fields else None


def state_of(pid: int) -> str:
    """`R`, `S`, `D`, `T`, `Z`, …; empty when the process is gone."""
    fields = stat_fields(pid)
    return fields[0].decode() if fields else ""


def start_ticks(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 when it is gone."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else 0


def descendants(pid: int) -> list[int]:
    """All living or unreaped descendants of a process, parents before children."""
    found: list[int] = []
    level = children(pid)
    seen = {pid}
    while level:
        found += level
        seen.update(level)
        level = [child for parent in level for child in children(parent) if child not in seen]
    return found


def name_of(pid: int) -> str:
    """The program's name as the kernel keeps it, made harmless for a terminal; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().strip().decode(errors="backslashreplace").encode("unicode_escape").decode()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def tree_memory(pids: list[int]) -> int:
    """Bytes of resident memory of these processes together; shared pages count for each."""
    page = os.sysconf("SC_PAGESIZE")
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                total += int(file.read().split()[1]) * page
        except (FileNotFoundError, ProcessLookupError, IndexError):
            continue
    return total


def open_pidfd(pid: int) -> int:
    """A descriptor that is ready once the process has ended; -1 when it is gone."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1
