"""What is the case at a moment, as deciding code sees it."""

from __future__ import annotations

import msgspec


class PoolSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One pool's instances."""

    pool: str
    size: int
    """How many instances are wanted."""
    starting: int = 0
    idle: int = 0
    running: int = 0
    draining: int = 0

    @property
    def live(self) -> int:
        """Instances that count against the machine's total."""
        return self.starting + self.idle + self.running + self.draining


class ExecutorSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All pools of an executor."""

    pools: tuple[PoolSnapshot, ...] = ()


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """A worker that could be given jobs."""

    pool: str
    worker: str
    held: int
    """Jobs it has been given that have not ended."""
