"""File systems that are soon full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of `size` (as mount takes it) on a new directory; skips the test where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=False).returncode:
        pytest.skip("mount is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
