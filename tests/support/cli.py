"""Calling the program as a user does: as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "parallel_runner"]


class Program:
    """The program with a home of its own, and a mark by which its processes are found."""

    def __init__(self, home: Path, work: Path) -> None:
        self.home = home
        self.work = work
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("PARALLEL_RUNNER")}
        self.env |= {"PARALLEL_RUNNER_HOME": str(home), "PYTHONPATH": str(CHECKOUT), "PR_TEST_MARK": str(home)}

    def __call__(
        self,
        *arguments: str | bytes,
        stdin: bytes = b"",
        timeout: float = 60.0,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run to the end."""
        return subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            cwd=cwd or self.work,
            env=dict(env) if env is not None else self.env,
            check=False,
        )

    def start(self, *arguments: str, stdin: bytes | None = None, **options: Any) -> subprocess.Popen[bytes]:
        """Start, and give it its whole input."""
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            cwd=self.work,
            env=self.env,
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **options},
        )
        if stdin is not None:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
            process.stdin = None
        return process

    def results(self, batch: str = "b1") -> list[dict[str, Any]]:
        """The attempts of a batch."""
        done = self("results", batch)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def processes(self) -> list[int]:
        """Pids that carry the mark: everything that came of this program and did not wash its environment."""
        return marked(f"PR_TEST_MARK={self.home}")


def marked(text: str) -> list[int]:
    """Living processes with this in their environment."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            environ = Path(f"/proc/{name}/environ").read_bytes()
            state = Path(f"/proc/{name}/stat").read_bytes().rpartition(b") ")[2][:1]
        except OSError:
            continue
        if text.encode() in environ.split(b"\0") and state != b"Z":
            found.append(int(name))
    return found


def children(pid: int) -> Sequence[int]:
    """The direct children of a process."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
