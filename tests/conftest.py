"""Fixtures for all levels."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Program
from tests.support.waiting import wait_for


@pytest.fixture(autouse=True)
def scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the tester's own reaches a test."""
    for name in list(os.environ):
        if name.startswith("PARALLEL_RUNNER"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """After each test: as many descriptors as before, and no child."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    left = set(os.listdir("/proc/self/fd")) - before
    assert len(left) <= 1, f"descriptors left open: {left}"  # The listing's own.
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert not children, f"child processes left: {children}"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """The program with a fresh home; afterwards nothing of it may live, and no file of a living one be left."""
    work = tmp_path / "work"
    work.mkdir()
    home = tmp_path / "home"
    one = Program(home, work)
    yield one
    try:
        wait_for(lambda: not one.processes(), 5.0, "processes were left behind")
    finally:
        for pid in one.processes():
            os.kill(pid, signal.SIGKILL)
