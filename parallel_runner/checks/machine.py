"""Whether this machine can do what the configuration asks: pure checks over recorded facts."""

from __future__ import annotations

import os
import resource
import shutil
from dataclasses import dataclass
from typing import Literal

from parallel_runner.tools.ripgrep import find_rg

_DESCRIPTORS_PER_WORKER = 4
_WORKER_BYTES = 3 * 1024 * 1024
_MIN_FREE = 64 * 1024 * 1024


@dataclass(frozen=True)
class MachineFacts:
    """What was seen of the machine."""

    cpus: int
    memory: int
    """Bytes available."""
    open_files: int
    """Soft limit of descriptors."""
    free_disk: int
    """Bytes free where the state is kept."""
    kernel: tuple[int, int]
    bash: bool
    ripgrep: str
    """The engine's label; empty: none."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Literal["ok", "warning", "critical"]
    message: str


def look(state: str) -> MachineFacts:
    """Record the facts; `state` is the home's state directory."""
    with open("/proc/meminfo") as file:
        memory = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    release = os.uname().release.split(".")
    rg = find_rg("")
    return MachineFacts(
        cpus=len(os.sched_getaffinity(0)),
        memory=memory,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        free_disk=shutil.disk_usage(state).free,
        kernel=(int(release[0]), int("".join(filter(str.isdigit, release[1])) or 0)),
        bash=os.access("/bin/bash", os.X_OK),
        ripgrep=rg[1] if rg else "",
    )


def examine(facts: MachineFacts, budget: int) -> list[Finding]:
    """What the facts mean for these limits."""
    needed = budget * _DESCRIPTORS_PER_WORKER + 64
    return [
        Finding("ok", f"{facts.cpus} CPUs, up to {budget} jobs at once"),
        _judge(
            facts.kernel >= (5, 4), f"kernel {facts.kernel[0]}.{facts.kernel[1]}", "5.4 or later is needed", True
        ),
        _judge(facts.bash, "/bin/bash is there", "/bin/bash is missing: apt install bash", True),
        _judge(
            facts.open_files >= needed,
            f"{facts.open_files} descriptors",
            f"{budget} jobs at once need {needed}: ulimit -n {needed}, or lower max_total_instances",
            False,
        ),
        _judge(
            facts.memory >= budget * _WORKER_BYTES,
            f"{facts.memory >> 20} MiB of memory available",
            f"{budget} workers alone take about {budget * _WORKER_BYTES >> 20} MiB: lower max_total_instances",
            False,
        ),
        _judge(
            facts.free_disk >= _MIN_FREE,
            f"{facts.free_disk >> 20} MiB free for state",
            "less than 64 MiB: free some, or choose another --home",
            True,
        ),
        _judge(
            bool(facts.ripgrep),
            facts.ripgrep or "no ripgrep",
            "glob and grep use the slower Python engine: apt install ripgrep",
            False,
        ),
    ]


def _judge(good: bool, fact: str, remedy: str, vital: bool) -> Finding:
    if good:
        return Finding("ok", fact)
    return Finding("critical" if vital else "warning", f"{fact}; {remedy}")
