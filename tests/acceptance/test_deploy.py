"""The bootstrap, on a copy of the checkout in a directory with a blank in its name."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.cli import CHECKOUT

NAME = "deploy-parallelization-framework.sh"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What git would give a new user."""
    target = tmp_path / "a checkout"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=False).stdout
    if not files:
        pytest.skip("not a git checkout")
    for name in files.decode().split("\0"):
        source = CHECKOUT / name
        if name and os.path.lexists(source):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    return target


def deploy(
    checkout: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [f"./{NAME}", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )


@pytest.mark.slow
def test_two_commands_of_a_new_user(checkout: Path, tmp_path: Path) -> None:
    dry = deploy(checkout, "--dry-run")
    assert "would build" in dry.stdout
    assert not (checkout / ".venvs").exists()

    home = tmp_path / "home of mine"
    (home / "config").mkdir(parents=True)
    (home / "config" / "resource-limits.yaml").write_text("# mine\n")
    first = deploy(checkout, "--max-instances", "7", "--home", str(home))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "all is well" in first.stdout
    assert (home / "config" / "resource-limits.yaml").read_text() == "# mine\n"
    assert (home / "config" / "scaling-strategy.yaml").exists()
    program = str(checkout / ".venv" / "bin" / "parallel-runner")
    told = subprocess.run(
        [program, "config", "explain", "max_total_instances"], capture_output=True, text=True, check=True
    )
    assert "= 7" in told.stdout
    assert "overrides.yaml:4" in told.stdout

    before = os.readlink(checkout / ".venv")
    began = time.monotonic()
    again = deploy(checkout)
    assert again.returncode == 0, again.stderr
    assert time.monotonic() - began < 10
    assert f"home: {home}" in again.stdout
    assert "built" not in again.stdout
    assert os.readlink(checkout / ".venv") == before

    gone = deploy(checkout, "--uninstall")
    assert gone.returncode == 0
    assert not (checkout / ".venv").is_symlink()
    assert (home / "state" / "journal.db").exists()


def test_missing_venv_is_told_with_the_remedy(checkout: Path, tmp_path: Path) -> None:
    fake = tmp_path / "python3"
    fake.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *version_info*) echo 3.11.2;; esac\n')
    fake.chmod(0o755)
    done = deploy(checkout, env={"PYTHON": str(fake), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 1
    assert "failed while checking for venv" in done.stderr
    assert "apt install python3.11-venv" in done.stderr
    assert not (checkout / ".venvs").exists()


@pytest.mark.parametrize("arguments", [["--nope"], ["--home"], ["--extras", "A;b"]])
def test_wrong_arguments(checkout: Path, arguments: list[str]) -> None:
    done = deploy(checkout, *arguments)
    assert done.returncode == 102
    assert "what to do" in done.stderr


def test_failed_build_leaves_what_was_there(checkout: Path) -> None:
    old = checkout / ".venvs" / "old"
    old.mkdir(parents=True)
    (checkout / ".venv").symlink_to(".venvs/old")
    (checkout / "pyproject.toml").write_text("[build-system\n")
    done = deploy(checkout)
    assert done.returncode == 1
    assert "failed while building the environment" in done.stderr
    assert os.readlink(checkout / ".venv") == ".venvs/old"
    assert sorted(path.name for path in (checkout / ".venvs").iterdir()) == ["lock", "old"]
