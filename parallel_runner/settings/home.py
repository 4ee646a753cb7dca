"""Where a home is: the directory with `config/`, `logs/` and `state/`."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from parallel_runner.errors import StateError

MARKER = "parallel-runner-home"
"""File in the environment's prefix that `deploy` records a home in."""
_NETWORK = frozenset(
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "fuse.sshfs", "afs"]
)


@dataclass(frozen=True)
class Home:
    """A home and its parts, as absolute paths."""

    root: str
    source: str
    """Which rule named it."""

    @property
    def config(self) -> str:
        """The user's YAML files."""
        return f"{self.root}/config"

    @property
    def logs(self) -> str:
        """Log files."""
        return f"{self.root}/logs"

    @property
    def state(self) -> str:
        """Journal, spools, outputs, locks."""
        return f"{self.root}/state"

    def create(self) -> None:
        """Make the directories.

        Raises:
            StateError: they cannot be made, or stand on a network file system.
        """
        try:
            for path in (self.root, self.config, self.logs):
                os.makedirs(path, exist_ok=True)
            os.makedirs(self.state, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"the home {self.root} ({self.source}) cannot be made: {error.strerror}: {error.filename}; "
                "choose another with --home or PARALLEL_RUNNER_HOME"
            ) from error
        refuse_network(self.state, _mounts())


def resolve_home(flag: str | None, environ: Mapping[str, str]) -> Home:
    """The home in force: flag, else environment, else what deploy recorded, else the XDG state directory."""
    if flag:
        return Home(os.path.abspath(flag), "--home")
    if environ.get("PARALLEL_RUNNER_HOME"):
        return Home(os.path.abspath(environ["PARALLEL_RUNNER_HOME"]), "PARALLEL_RUNNER_HOME")
    recorded = _recorded()
    if recorded:
        return Home(os.path.abspath(recorded), "recorded by deploy")
    if os.path.isabs(environ.get("XDG_STATE_HOME", "")):
        return Home(f"{environ['XDG_STATE_HOME']}/parallel-runner", "XDG_STATE_HOME")
    # cron and su may leave HOME out.
    user = environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Home(os.path.abspath(f"{user}/.local/state/parallel-runner"), "default")


def _recorded() -> str:
    try:
        with open(f"{sys.prefix}/{MARKER}", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def _mounts() -> list[tuple[str, str]]:
    """(mount point, file system type) of this namespace."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        rows = [line.split() for line in file]
    return [(row[4].replace("\\040", " "), row[row.index("-") + 1]) for row in rows]


def refuse_network(path: str, mounts: list[tuple[str, str]]) -> None:
    """Raise StateError when `path` stands on a file system whose locks do not tell who is alive."""
    real = os.path.realpath(path) + "/"
    holding = [(len(point), kind) for point, kind in mounts if real.startswith(point.rstrip("/") + "/")]
    kind = max(holding, default=(0, ""))[1]
    if kind in _NETWORK:
        raise StateError(
            f"{path} is on a network file system ({kind}), where locks cannot be trusted; "
            "choose a local directory with --home or PARALLEL_RUNNER_HOME"
        )
