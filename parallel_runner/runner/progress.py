"""How far a batch is: a bar on a terminal, a line now and then everywhere else."""

from __future__ import annotations

import io
import math
import os
import select
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from parallel_runner.clock import Clock
from parallel_runner.model.snapshot import PoolSnapshot

BAR_AFTER = 0.5
"""Seconds before the bar is first drawn: what is over sooner needs none, and rich takes a while to load."""
BAR_INTERVAL = 0.2
LINE_INTERVAL = 30.0
CHOSEN_INTERVAL = 1.0
POOLS_INTERVAL = 5.0
_CLEAR = b"\r\x1b[2K"


class Counts(NamedTuple):
    """How far it is."""

    done: int
    """Jobs that have ended for good in this run."""
    failed: int
    running: int
    known: int
    """Jobs of this run that are known so far, the ended ones included."""
    all_known: bool
    """No more will be read."""
    spread: float = 0.0
    """Standard deviation by mean of how long jobs took."""
    pools: tuple[PoolSnapshot, ...] = ()
    ready: Mapping[str, int] = {}
    """Jobs that wait for each pool."""


class Progress(Protocol):
    """Something that shows counts."""

    def due_at(self) -> float | None:
        """When counts are to be shown next (monotonic seconds); None: never."""
        ...

    def show(self, counts: Counts) -> None:
        """Show them, if it is time to."""
        ...

    def hide(self) -> None:
        """Something else is about to be written where the bar stands."""
        ...


class NoProgress:
    """Shows nothing."""

    def due_at(self) -> float | None:
        """Never."""
        return None

    def show(self, counts: Counts) -> None:
        """Nothing."""

    def hide(self) -> None:
        """Nothing."""


class Left(NamedTuple):
    """Seconds that are left, from and to."""

    least: float
    most: float


def eta(counts: Counts, seconds: float) -> Left | None:
    """The time that is left at the rate so far; None when nothing can be said.

    Both the mean of the jobs that ended and the sum of those that are left are uncertain, by their spread over the
    square root of their number; the band is 1.64 standard deviations wide each way, which nine in ten fall into
    where the rest is like what ended.
    """
    if not counts.all_known or not counts.done or seconds <= 0:
        return None
    jobs = counts.known - counts.done
    expected = jobs * seconds / counts.done
    off = 1.64 * counts.spread * math.sqrt(1 / counts.done + 1 / jobs) if jobs else 0.0
    return Left(expected * max(0.0, 1 - off), expected * (1 + off))


def line(counts: Counts, seconds: float) -> str:
    """The counts in words."""
    total = f"of {counts.known}" if counts.all_known else f"of {counts.known} or more"
    parts = [f"{counts.done} {total} done", f"{counts.running} in hand"]
    if counts.failed:
        parts.insert(1, f"{counts.failed} failed")
    left = eta(counts, seconds)
    if left is not None:
        parts.append(f"{band(left)} left")
    return ", ".join(parts)


def band(left: Left) -> str:
    """`about 5 min`, or `3 to 8 min` where that is not the same."""
    least, most = _span(left.least), _span(left.most)
    if least == most:
        return f"about {most}"
    same_unit = least.split(" ")[1] == most.split(" ")[1]
    return f"{least.split(' ')[0] if same_unit else least} to {most}"


def pool_lines(counts: Counts) -> list[str]:
    """A line for each pool: its instances, and what waits for it."""
    return [
        f"pool {pool.pool}: {pool.running} of {pool.size} instances run, {pool.idle} idle"
        f"{f', {pool.starting} starting' if pool.starting else ''}"
        f"{f', {pool.draining} ending' if pool.draining else ''}, {counts.ready.get(pool.pool, 0)} jobs ready"
        for pool in counts.pools
    ]


def _span(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{round(whole / 60)} min"
    return f"{round(whole / 3600)} h"


class Lines:
    """A line now and then."""

    def __init__(
        self,
        name: str,
        say: Callable[[str], None],
        clock: Clock,
        interval: float = LINE_INTERVAL,
        *,
        pools: bool = False,
    ) -> None:
        self._name = name
        self._say = say
        self._clock = clock
        self._interval = interval
        self._pools = pools
        self._began = clock.monotonic()
        self._next = self._began + interval

    def due_at(self) -> float | None:
        """When the next line is due."""
        return self._next

    def show(self, counts: Counts) -> None:
        """Say it, if it is time to."""
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + self._interval
            self._say(f"{self._name}: {line(counts, now - self._began)}")
            for told in pool_lines(counts) if self._pools else ():
                self._say(told)

    def hide(self) -> None:
        """Lines stay."""


class Bar:
    """One line at the bottom of the terminal behind `fd`, which makes way for whatever is written there.

    rich draws it into memory; it goes to the terminal only when that takes it at once. A terminal that is stopped
    (Ctrl-S) must not stop the jobs.
    """

    def __init__(self, name: str, fd: int, clock: Clock, pools: Callable[[str], None] | None = None) -> None:
        """Draw on `fd`; `pools` prints a line about each of them now and then."""
        self._name = name
        self._fd = fd
        self._clock = clock
        self._pools = pools
        self._pools_at = clock.monotonic() + POOLS_INTERVAL
        self._next = clock.monotonic() + BAR_AFTER
        self._shown = False
        self._drawer: Any = None
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def due_at(self) -> float | None:
        """When the bar is drawn next."""
        return self._next

    def show(self, counts: Counts) -> None:
        """Draw it, if it is time to."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + BAR_INTERVAL
        if self._pools is not None and now >= self._pools_at:
            self._pools_at = now + POOLS_INTERVAL
            for told in pool_lines(counts):
                self._pools(told)
        if self._drawer is None:
            self._drawer = _Drawer(self._name, self._clock)
        self._shown = self._write(_CLEAR + self._drawer.draw(counts, _columns(self._fd))) or self._shown

    def hide(self) -> None:
        """Clear the line."""
        if self._shown and self._write(_CLEAR):
            self._shown = False

    def _write(self, data: bytes) -> bool:
        try:
            return bool(self._poll.poll(0)) and os.write(self._fd, data) > 0
        except OSError:
            return False  # The terminal is gone; the jobs' own output will find that out.


class _Drawer:
    """Makes one line of rich's progress display."""

    def __init__(self, name: str, clock: Clock) -> None:
        from rich import progress
        from rich.console import Console

        self._buffer = io.StringIO()
        self._console = Console(file=self._buffer, force_terminal=True, legacy_windows=False)
        self._progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=None),
            progress.TextColumn("{task.fields[told]}"),
            progress.TextColumn("{task.fields[left]}"),
            console=self._console,
            auto_refresh=False,
            expand=True,
            get_time=clock.monotonic,
        )
        self._task = self._progress.add_task(name, total=None, told="", left="")
        self._began = clock.monotonic()
        self._clock = clock

    def draw(self, counts: Counts, columns: int) -> bytes:
        """The line, without an end of line, not as wide as the terminal: no terminal wraps it."""
        told = f"{counts.done}/{counts.known}{'' if counts.all_known else '+'}"
        if counts.failed:
            told += f" [red]{counts.failed} failed[/red]"
        total = counts.known if counts.all_known else None
        left = eta(counts, self._clock.monotonic() - self._began + BAR_AFTER)
        shown = band(left) if left is not None else ""
        self._progress.update(self._task, completed=counts.done, total=total, told=told, left=shown)
        self._console.width = max(20, columns - 1)
        self._console.print(self._progress.get_renderable(), end="", no_wrap=True, soft_wrap=False)
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.replace("\n", "").encode("utf-8", "backslashreplace")


def _columns(fd: int) -> int:
    try:
        return os.get_terminal_size(fd).columns or 80
    except OSError:
        return 80


def choose(
    name: str, quiet: bool, say: Callable[[str], None], clock: Clock, meter: str = "", *, pools: bool = False
) -> Progress:
    """A bar where stderr is a terminal that can move its cursor, lines where it is not, nothing when quiet.

    Args:
        name: the batch.
        quiet: nothing unless `meter` says otherwise.
        say: prints a line.
        clock: time.
        meter: `bar` or `lines` when the user chose one; the lines come each second then.
        pools: the pools are told of as well.
    """
    if meter == "lines":
        return Lines(name, say, clock, CHOSEN_INTERVAL, pools=pools)
    if quiet and meter != "bar":
        return NoProgress()
    if meter == "bar" or (os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"):
        return Bar(name, 2, clock, say if pools else None)
    return Lines(name, say, clock, POOLS_INTERVAL if pools else LINE_INTERVAL, pools=pools)
