"""The slots that this owner has of the home's: taken in small blocks as they are needed, shared with others."""

from __future__ import annotations

from parallel_runner.clock import Clock
from parallel_runner.errors import JournalBusyError, StateError
from parallel_runner.journal import owners
from parallel_runner.journal.store import Journal

BLOCK = 4
"""Slots asked for at once: owners that start together get some each, not the first all and the last none."""
_AGAIN = 0.25
"""Seconds until the home is asked again after it had none left."""


class Slots:
    """Grows towards what is wanted; never over the home's budget."""

    def __init__(self, journal: Journal, owner: str, budget: int, want: int, clock: Clock) -> None:
        self._journal = journal
        self._owner = owner
        self._budget = budget
        self._clock = clock
        self._ask_at = 0.0
        self._busy = False
        self.want = want
        """Slots that the user asked for."""
        self.granted = 0
        self.scarce = False
        """The home had fewer than were needed when it was last asked."""

    def cover(self, needed: int) -> int:
        """Have slots for `needed` jobs at once, as far as there are; returns how many there are.

        Never waits: while the journal is locked, or the home is full, it stays at what it has and asks again later.

        Raises:
            StateError: the journal cannot be used.
        """
        goal = min(needed, self.want)
        now = self._clock.monotonic()
        while self.granted < goal and now >= self._ask_at:
            asked = min(self.granted + BLOCK, self.want)
            try:
                got = owners.reserve_slots(self._journal, self._owner, asked, self._budget)
            except JournalBusyError:
                self._ask_at = now
                self._busy = True
                break
            self._busy = False
            self.granted = max(got, self.granted)
            self.scarce = got < min(asked, goal)
            if got < asked:
                self._ask_at = now + _AGAIN
        return min(self.granted, self.want)

    def next_ask(self) -> float | None:
        """When to ask again (monotonic seconds); None: nothing was refused."""
        return self._ask_at if self.scarce or self._busy else None

    def starved(self) -> StateError:
        """What to raise when none became free for too long."""
        return StateError(
            f"all {self._budget} instances of this home are in use; see `parallel-runner ps`, or try later"
        )
