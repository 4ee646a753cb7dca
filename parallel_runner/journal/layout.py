"""Where things stand in the state directory of a home."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class StateLayout:
    """Paths under `state/`. Text, since the user names the home in text."""

    root: str

    @property
    def journal(self) -> str:
        """The SQLite database."""
        return f"{self.root}/journal.db"

    @property
    def outputs(self) -> str:
        """Segment files with outputs that are too long for the journal."""
        return f"{self.root}/outputs"

    @property
    def environments(self) -> str:
        """One file per running batch with the caller's environment (0600, removed at the batch's end)."""
        return f"{self.root}/environments"

    @property
    def inputs(self) -> str:
        """One file per running batch whose jobs read pieces of a stream (0600, removed at the batch's end)."""
        return f"{self.root}/inputs"

    @property
    def ballast(self) -> str:
        """A file that is given up when the disk is full, so that ends can still be recorded."""
        return f"{self.root}/ballast"

    @property
    def requests(self) -> str:
        """What running owners are asked to do, one file per request."""
        return f"{self.root}/requests"

    @property
    def following(self) -> str:
        """Where those who follow a running job's output are met: one FIFO each, gone as soon as it is open."""
        return f"{self.root}/following"

    def owner_lock(self, owner: str) -> str:
        """An owner's liveness lock."""
        return f"{self.root}/owners/{owner}.lock"

    def worker_lock(self, worker: str) -> str:
        """A worker's liveness lock."""
        return f"{self.root}/workers/{worker}.lock"

    def spool(self, worker: str) -> str:
        """A worker's spool."""
        return f"{self.root}/spool/{worker}.spool"

    def segment(self, name: str) -> str:
        """A segment file of outputs."""
        return f"{self.outputs}/{name}"

    def create(self) -> None:
        """Make the directories, for this user only."""
        for path in (self.root, self.outputs, self.environments, self.inputs, self.requests):
            os.makedirs(path, mode=0o700, exist_ok=True)
        for name in ("owners", "workers", "spool"):
            os.makedirs(f"{self.root}/{name}", mode=0o700, exist_ok=True)
