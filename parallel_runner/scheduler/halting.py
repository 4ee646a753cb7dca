"""`--halt`: when a batch ends before all its jobs have. Pure."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from parallel_runner.errors import EXIT_MAX_FAILED, EXIT_MORE_FAILED, UsageError

_FULL = re.compile(r"(now|soon),(fail|success|done)=(\d+(?:\.\d+)?)(%?)\Z")
_SHORT = {"1": "soon,fail=1", "2": "now,fail=1", "-1": "soon,success=1", "-2": "now,success=1"}


class Halt(NamedTuple):
    """What ends a batch early."""

    now: bool
    """Running jobs are ended as well; else they go on to their ends."""
    on: str
    """fail | success | done."""
    limit: float
    percent: bool


class Tally(NamedTuple):
    """Jobs that have ended for good so far."""

    failed: int
    done: int
    total: int
    """Jobs there are, as far as known."""


def parse_halt(text: str) -> Halt | None:
    """Read GNU parallel's `--halt`: never, now|soon,fail|success|done=N|N%, or one of its short forms.

    Raises:
        UsageError: it is none of these.
    """
    if text in ("never", "0"):
        return None
    if re.fullmatch(r"\d+%", text):
        text = f"soon,fail={text}"
    match = _FULL.match(_SHORT.get(text, text))
    if match is None or not float(match[3]):
        raise UsageError(f"--halt {text}: give never, or now|soon,fail|success|done=N or N%, as in now,fail=1")
    if not match[4] and "." in match[3]:
        raise UsageError(f"--halt {text}: a number of jobs is whole")
    return Halt(match[1] == "now", match[2], float(match[3]), bool(match[4]))


def reached(halt: Halt, tally: Tally) -> bool:
    """Whether the limit is reached."""
    counts = {"fail": tally.failed, "success": tally.done - tally.failed, "done": tally.done}
    limit = tally.total * halt.limit / 100 if halt.percent else halt.limit
    return counts[halt.on] >= limit and tally.done > 0


def exit_code(halt: Halt, tally: Tally, own: int) -> int:
    """The exit code of a batch that reached its limit; `own`: that of the job that made it so."""
    if halt.on == "success":
        return 0
    if halt.percent:
        return math.ceil(100 * tally.failed / tally.total) if tally.total else 0
    if halt.limit == 1:
        return own
    return tally.failed if tally.failed <= EXIT_MAX_FAILED else EXIT_MORE_FAILED


def exit_code_unreached(halt: Halt, tally: Tally) -> int | None:
    """The exit code where the limit was not reached; None: as always."""
    if halt.percent and tally.done:
        return math.ceil(100 * tally.failed / tally.done)
    return None
