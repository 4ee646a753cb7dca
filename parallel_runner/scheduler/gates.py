"""What holds the next start back: `--delay`, `--load`, `--memfree`. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from parallel_runner.errors import UsageError

LOOK_INTERVAL = 1.0
"""Seconds between two looks at the machine."""
_SLOWER, _FASTER = 1.3, 0.9
_DELAY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(auto)?\Z")


class Gates(NamedTuple):
    """What was asked for."""

    delay: float = 0.0
    """Seconds between two starts."""
    adaptive: bool = False
    """The delay grows by 30 % with each failure and shrinks by 10 % with each success."""
    load: float | None = None
    """Runnable processes on the machine under which jobs start."""
    memory_free: int | None = None
    """Bytes that must be available for a start."""

    @property
    def any(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.delay or self.load is not None or self.memory_free is not None)


class Machine(NamedTuple):
    """What was seen of the machine."""

    runnable: int
    """Processes that run or could."""
    available: int
    """Bytes of memory that new work can have."""


def parse_delay(text: str) -> tuple[float, bool]:
    """Read `--delay`: seconds, with `auto` behind them where they adapt.

    Raises:
        UsageError: it is neither.
    """
    match = _DELAY.match(text)
    if match is None:
        raise UsageError(f"--delay {text}: give seconds, as in 0.5, or 0.5auto")
    return float(match[1]), bool(match[2])


class StartGate:
    """Tells how many jobs may start at a moment."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self.delay = gates.delay
        """Seconds, as adapted so far."""
        self._next_start = float("-inf")
        self._look_at = float("-inf")
        self._machine: Machine | None = None

    @property
    def active(self) -> bool:
        """Whether anything is held back at all."""
        return self._gates.any

    def wants_look(self, now: float) -> bool:
        """Whether the machine is to be looked at before `allowed` is asked."""
        watches = self._gates.load is not None or self._gates.memory_free is not None
        return watches and now >= self._look_at

    def saw(self, machine: Machine, now: float) -> None:
        """What the machine looks like."""
        self._machine = machine
        self._look_at = now + LOOK_INTERVAL

    def allowed(self, now: float) -> int:
        """How many jobs may start now."""
        if self.reason():
            return 0
        if self._gates.delay:
            return int(now >= self._next_start)
        # The machine is seen again only after a while: one start at a look, or all of them see the same free room.
        watches = self._gates.load is not None or self._gates.memory_free is not None
        return 1 if watches else 1 << 30

    def started(self, now: float) -> None:
        """A job was started."""
        if self._gates.delay:
            self._next_start = now + self.delay

    def ended(self, *, succeeded: bool) -> None:
        """A job has ended."""
        if self._gates.adaptive:
            self.delay *= _FASTER if succeeded else _SLOWER

    def next_look(self, now: float) -> float:
        """When to ask again, monotonic seconds."""
        if self.reason():
            return max(now, self._look_at)
        return max(now, self._next_start)

    def reason(self) -> str:
        """Why nothing starts, for people; empty: the machine allows it."""
        machine, gates = self._machine, self._gates
        if machine is None:
            return ""
        if gates.load is not None and machine.runnable >= gates.load:
            return f"{machine.runnable} processes want to run; fewer than {gates.load:g} are asked for"
        if gates.memory_free is not None and machine.available < gates.memory_free:
            return f"{machine.available >> 20} MiB of memory are free; {gates.memory_free >> 20} are asked for"
        return ""
