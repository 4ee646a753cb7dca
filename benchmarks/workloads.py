"""The jobs that everybody gets."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

SHELLS = {"sh": "/bin/sh", "bash": "/bin/bash"}


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Lines of one kind."""

    name: str
    text: str
    """One line, as a shell would get it."""
    shell: str = ""
    """Which shell must read it; empty: none need to."""
    distinct: bool = False
    """Whether each line gets its number as an argument."""
    output: int = 0
    """Bytes that each job prints."""

    def line(self, number: int) -> str:
        """The command line of one job."""
        return f"{self.text} {number}" if self.distinct else self.text

    def argument(self, number: int) -> str:
        """What xargs is given for that job: it names the command itself, and appends this where it must."""
        return self.line(number) if self.shell else str(number)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(name="true-equal", text="/bin/true"),
        # Two arguments, not one: with exactly one, GNU true sets up its locale to see whether it is --help, which
        # costs half as much as the whole process does otherwise.
        Workload(name="true-distinct", text="/bin/true line", distinct=True),
        Workload(name="sh", text="echo hi; true", shell="sh", output=3),
        Workload(name="bash", text="echo hi; true", shell="bash", output=3),
    )
}


@dataclass(frozen=True)
class Inputs:
    """Files of lines, made once and read by every run."""

    directory: str

    def lines(self, workload: Workload, jobs: int) -> str:
        """A file with one command line per job."""
        return self._file(f"{workload.name}-{jobs}.lines", map(workload.line, range(1, jobs + 1)))

    def arguments(self, workload: Workload, jobs: int) -> str:
        """A file with one argument per job."""
        return self._file(f"{workload.name}-{jobs}.arguments", map(workload.argument, range(1, jobs + 1)))

    def _file(self, name: str, lines: Iterable[str]) -> str:
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        return path
