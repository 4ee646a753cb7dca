"""How many jobs go to a worker at once. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

TARGET = 0.5
"""Seconds of work in a frame."""
SMALLEST, LARGEST = 4, 32
FRAMES_AHEAD = 2


class Durations(NamedTuple):
    """What is known of how long a pool's jobs take, seconds."""

    mean: float = 0.0
    p95: float | None = None
    """None: nothing has ended yet."""

    def after(self, wall: float) -> Durations:
        """Take one more duration in.

        The mean is smoothed over about 20 jobs. The quantile moves up by 20 % when it was passed and down by 1 %
        when not: it rests where one in twenty passes it (ln 1.2 : ln 1/0.99 = 18 : 1).
        """
        if self.p95 is None:
            return Durations(wall, wall * 1.5)
        return Durations(
            self.mean + (wall - self.mean) / 20, self.p95 * 1.2 if wall > self.p95 else self.p95 * 0.99
        )


def frame_size(durations: Durations, ready: int, workers: int, *, gated: bool) -> int:
    """Jobs in one frame for a worker of a pool.

    Args:
        durations: of the pool's jobs so far.
        ready: jobs that wait for this pool.
        workers: workers that share them.
        gated: some job of the pool must be admitted one at a time.
    """
    if gated or not runs_ahead(durations, ready, workers):
        return 1
    wanted = SMALLEST if durations.p95 is None else int(TARGET / max(durations.mean, 1e-6))
    size = min(LARGEST, max(SMALLEST, wanted))
    # Towards the end a full frame on one worker would leave the others idle.
    return max(1, min(size, math.ceil(ready / (2 * max(1, workers)))))


def runs_ahead(durations: Durations, ready: int, workers: int) -> bool:
    """Whether jobs may wait at a worker: they are known to be short, or nothing is known and many wait."""
    if durations.p95 is None:
        return ready > SMALLEST * FRAMES_AHEAD * workers
    return durations.p95 < TARGET


def room(held: int, size: int, *, ahead: bool) -> int:
    """Jobs that a worker which holds `held` can be given now."""
    if not ahead or size == 1:
        return max(0, 1 - held) if not ahead else max(0, FRAMES_AHEAD - held)
    # Topped up when a frame is gone, not before: a trickle of single jobs costs a wake-up each.
    return size * FRAMES_AHEAD - held if held <= size * (FRAMES_AHEAD - 1) else 0
