"""Whether there is room on the disk for more, looked at once a second."""

from __future__ import annotations

from parallel_runner.clock import Clock
from parallel_runner.journal import disk
from parallel_runner.journal.layout import StateLayout

_INTERVAL = 1.0
PATIENCE = 30.0
"""Seconds that a run waits for room before it gives up."""


class Room:
    """Watches the file system of the state."""

    def __init__(self, layout: StateLayout, least: int, clock: Clock) -> None:
        self._layout = layout
        self._least = least
        self._clock = clock
        self._look_at = 0.0
        self._short_since: float | None = None
        self.shortage = ""
        """What to tell of it; empty when there is room."""

    def look(self) -> bool:
        """Look, if it is time to. True when this is the first look that found too little."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + _INTERVAL
        before = self.shortage
        self.shortage = disk.shortage(self._layout, self._least)
        if not self.shortage:
            self._short_since = None
        elif self._short_since is None:
            self._short_since = now
        return bool(self.shortage) and not before

    @property
    def hopeless(self) -> bool:
        """Whether there has been too little for so long that waiting makes no sense."""
        return self._short_since is not None and self._clock.monotonic() > self._short_since + PATIENCE
