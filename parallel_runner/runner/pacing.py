"""How fast and how wide a batch runs: what gates look at, the width that a file tells, the median time."""

from __future__ import annotations

import os
from bisect import insort
from collections.abc import Callable
from typing import NamedTuple

from parallel_runner.clock import Clock
from parallel_runner.model.outcome import Outcome
from parallel_runner.scheduler.gates import Gates, Machine, StartGate
from parallel_runner.scheduler.halting import Halt

_WIDTH_INTERVAL = 1.0
_ENOUGH = 1
"""Jobs that must have succeeded before their median says anything."""
_MOST_WALLS = 10_000


class Conduct(NamedTuple):
    """How a batch is to run."""

    want: int
    """Jobs at once."""
    width: Callable[[], int | None] | None = None
    """Tells anew how many jobs at once are wanted; None from it: as before."""
    gates: Gates = Gates()
    halt: Halt | None = None
    timeout_percent: float | None = None
    """A job may take this share of the median time of those that succeeded."""
    total: int | None = None
    """Jobs to expect, where the user said so."""
    show_commands: bool = False
    """Each command is printed on stderr when it starts."""
    lifeline: int | None = None
    """Reading end of a pipe; whoever holds the other end can ask for the end of the run, and is to outlive it."""


def look_at_machine() -> Machine:
    """The machine as it is now."""
    import psutil  # Few batches have gates, and it takes 5 ms to load.

    with open("/proc/loadavg", "rb") as file:
        runnable = int(file.read().split()[3].split(b"/")[0])
    # This process is one of them.
    return Machine(max(0, runnable - 1), psutil.virtual_memory().available)


class MedianTimeout:
    """Finds attempts that take much longer than those that succeeded."""

    def __init__(self, percent: float) -> None:
        self._share = percent / 100
        self._walls: list[float] = []
        self._began: dict[int, float] = {}

    def began(self, attempt: int, now: float) -> None:
        """An attempt started at monotonic time `now`."""
        self._began[attempt] = now

    def ended(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        self._began.pop(outcome.attempt, None)
        if outcome.succeeded and len(self._walls) < _MOST_WALLS:
            insort(self._walls, outcome.usage.wall)

    @property
    def limit(self) -> float | None:
        """Seconds that an attempt may take; None: too little is known."""
        if len(self._walls) < _ENOUGH:
            return None
        return self._walls[len(self._walls) // 2] * self._share

    def overdue(self, now: float) -> list[int]:
        """Attempts that have had their time; each is told once."""
        limit = self.limit
        if limit is None:
            return []
        late = [attempt for attempt, began in self._began.items() if now >= began + limit]
        for attempt in late:
            del self._began[attempt]
        return late

    def next_moment(self) -> float | None:
        """When the next one is overdue, monotonic seconds."""
        limit = self.limit
        if limit is None or not self._began:
            return None
        return min(self._began.values()) + limit


class Pacing:
    """Carries out what a Conduct says of starts and width."""

    def __init__(self, conduct: Conduct, clock: Clock, look: Callable[[], Machine] = look_at_machine) -> None:
        self._conduct = conduct
        self._clock = clock
        self._look = look
        self._width_at = clock.monotonic() + _WIDTH_INTERVAL
        self.gate = StartGate(conduct.gates)
        percent = conduct.timeout_percent
        self.median = MedianTimeout(percent) if percent is not None else None

    @property
    def one_by_one(self) -> bool:
        """Whether no job may wait at a worker: what happens to one decides about the next."""
        return self.gate.active or self._conduct.halt is not None

    @property
    def listens(self) -> bool:
        """Whether ends of attempts matter here."""
        return self._conduct.gates.adaptive or self.median is not None

    def ended(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        self.gate.ended(succeeded=outcome.succeeded)
        if self.median is not None:
            self.median.ended(outcome)

    def allowed(self) -> int:
        """How many jobs may start now."""
        if not self.gate.active:
            return 1 << 30
        now = self._clock.monotonic()
        if self.gate.wants_look(now):
            self.gate.saw(self._look(), now)
        return self.gate.allowed(now)

    def new_width(self) -> int | None:
        """How many jobs at once are wanted now, when that was said anew; None: nothing new."""
        if self._conduct.width is None or self._clock.monotonic() < self._width_at:
            return None
        self._width_at = self._clock.monotonic() + _WIDTH_INTERVAL
        return self._conduct.width()

    def next_moment(self) -> float | None:
        """When to look again, monotonic seconds; None: no need to."""
        moments = []
        if self.gate.active:
            moments.append(self.gate.next_look(self._clock.monotonic()))
        if self.median is not None and (late := self.median.next_moment()) is not None:
            moments.append(late)
        return min(moments, default=None)


class WidthFile:
    """`-j FILE`: the number of jobs at once is read again whenever the file has changed."""

    def __init__(self, path: str, read: Callable[[str], int]) -> None:
        """Watch `path`; `read` makes a number of its text, or raises ValueError."""
        self._path = path
        self._read = read
        self._seen: tuple[int, int] | None = None

    def __call__(self) -> int | None:
        """The number, when the file has changed and says one."""
        try:
            status = os.stat(self._path)
            mark = (status.st_mtime_ns, status.st_size)
            if mark == self._seen:
                return None
            self._seen = mark
            with open(self._path, encoding="utf-8") as file:
                return self._read(file.read(64).strip())
        except (OSError, ValueError):
            # It may be about to be written: what held before holds on.
            return None
