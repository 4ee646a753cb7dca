"""`run --plan`: which jobs would start when, where, and what they may need; nothing is run, nothing is recorded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from parallel_runner.cli.dry_run import specs_of
from parallel_runner.cli.reading import line, write
from parallel_runner.cli.tables import print_table
from parallel_runner.model.fan_out import FAN_OUT
from parallel_runner.reports.estimates import ENOUGH
from parallel_runner.reports.plain import columns, one_line
from parallel_runner.reports.planned import PlannedRecord, PlanRecord
from parallel_runner.reports.records import json_line
from parallel_runner.runner.one_shot import NewBatch
from parallel_runner.runner.pacing import Conduct
from parallel_runner.runner.planning import Asked, past_of, plan
from parallel_runner.runner.session import instance_budget
from parallel_runner.settings.home import Home
from parallel_runner.settings.load import load_cached

MOST_ROWS = 200
"""Jobs that are shown where nobody asks for all."""
_WIDTH = 100
"""Columns of a command that are shown where nothing says how wide the reader's page is."""
_NAMED = 8
"""Jobs of a chain that are named."""
_TITLES = ("start", "slot", "p50", "p95", "memory p95", "job", "command")


class Shown(NamedTuple):
    """How a plan is shown."""

    json: bool
    all: bool
    """Every job, however many there are."""


def print_plan(home: Home, new: NewBatch, conduct: Conduct, shown: Shown) -> int:
    """Print the plan of a batch on stdout; returns the exit code."""
    settings = load_cached(home.config, os.environ, f"{home.state}/settings.cache").settings
    barriers = settings.coordination.synchronization
    asked = Asked(
        header=new.header,
        jobs=list(specs_of(new)),
        slots=min(conduct.want, instance_budget(settings)),
        wanted=conduct.want,
        gates=conduct.gates,
        barrier_timeout=barriers.barrier_timeout,
        barrier_delay=barriers.phase_transition_delay,
    )
    told = plan(asked, *past_of(home.state))
    if shown.json:
        write(json_line(told))
        return os.EX_OK
    rows = told.jobs if shown.all else told.jobs[:MOST_ROWS]
    if sys.stdout.isatty():
        print_table(_TITLES, _cells(told, rows))
    else:
        _columns(told, rows)
    for text in summary(told, len(told.jobs) - len(rows)):
        line(text)
    return os.EX_OK


# -- rows


def _columns(told: PlanRecord, rows: Sequence[PlannedRecord]) -> None:
    cells = [_TITLES, *_cells(told, rows)]
    widths = [max(columns(row[place]) for row in cells) for place in range(len(_TITLES) - 1)]
    for row in cells:
        padded = [cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=False)]
        line("  ".join([*padded, row[-1]]).rstrip())


def _cells(told: PlanRecord, rows: Sequence[PlannedRecord]) -> Iterator[tuple[str, ...]]:
    one_tool = len({row.tool for row in told.jobs if row.tool != FAN_OUT}) < 2
    for row in rows:
        runs = row.will == "run"
        slot = ("" if one_tool else f"{row.tool} ") + str(row.slot)
        what = f"{row.because}: {row.command}" if isinstance(row.because, str) else row.command
        yield (
            _start(told, row),
            slot if runs else "-",
            _estimate(row, row.wall_p50) if runs else "-",
            _estimate(row, row.wall_p95) if runs else "-",
            ("unknown" if row.max_rss_p95 is None else size(row.max_rss_p95)) if runs else "-",
            _called(row),
            one_line(what, _WIDTH),
        )


def _start(told: PlanRecord, row: PlannedRecord) -> str:
    if row.start is None:
        return "skipped" if row.will == "skip" else "never"
    return f"{row.start:.12g}" if told.unit == "jobs" else duration(row.start)


def _estimate(row: PlannedRecord, seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{'~' if row.thin else ''}{duration(seconds)}"


def _called(row: PlannedRecord) -> str:
    return one_line(row.id, 40) if isinstance(row.id, str) else str(row.seq)


# -- what it comes to


def summary(told: PlanRecord, unshown: int) -> Iterator[str]:
    """The lines below the table: what it comes to, then what is to be known about it."""
    yield _headline(told)
    if unshown:
        yield f"  not shown: {_jobs(unshown)} (-v shows all)"
    if told.unit == "jobs" and told.jobs:
        yield "  nothing is known of how long these jobs take: time is counted in jobs, each as 1"
    elif told.unknown_time:
        yield f"  unknown: {_jobs(told.unknown_time)}, taken to last as long as the median of the others"
    if told.thin:
        yield f"  ~: {_jobs(told.thin)} with an estimate by fewer than {ENOUGH} attempts"
    if told.peak_memory_p95 is not None and told.unknown_memory:
        yield f"  memory unknown, and not counted: {_jobs(told.unknown_memory)}"
    for note in told.notes:
        yield f"  {note}"


def _headline(told: PlanRecord) -> str:
    started = sum(row.will == "run" for row in told.jobs)
    rest = len(told.jobs) - started
    slots = f"{told.slots} slot{'s' if told.slots != 1 else ''}"
    parts = [f"{_jobs(started)} on {slots}{f' (and {rest} that no slot runs)' if rest else ''}"]
    span = told.makespan
    if told.unit == "jobs":
        parts.append(f"as long as {_jobs(span.p50)} one after the other")
    else:
        least, most = duration(span.least), duration(span.most)
        parts.append(f"about {duration(span.p50)}{f', {least} to {most}' if least != most else ''}")
    if told.peak_memory_p95 is not None:
        parts.append(f"peak memory {size(told.peak_memory_p95)}")
    if len(told.critical_path.jobs) > 1:
        parts.append(_chain(told))
    return "plan: " + "; ".join(parts)


def _chain(told: PlanRecord) -> str:
    chain = told.critical_path
    names = {row.seq: _called(row) for row in told.jobs}
    called = [names[place] for place in chain.jobs]
    if len(called) > _NAMED:
        called = [*called[: _NAMED // 2], "…", *called[-_NAMED // 2 :]]
    length = _jobs(chain.length) if told.unit == "jobs" else duration(chain.length)
    return f"critical path {length}: {' → '.join(called)}"


def _jobs(count: float) -> str:
    return f"{count:.12g} job{'s' if count != 1 else ''}"


def duration(seconds: float) -> str:
    """A time for people: `0 s`, `1.5 ms`, `350 ms`, `1.5 s`, `35 s`, `3.5 min`."""
    if not seconds:
        return "0 s"
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """Bytes for people: `3.5 MiB`."""
    shown = count / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if shown < 1024:
            return f"{shown:.1f} {unit}"
        shown /= 1024
    return f"{shown:.1f} TiB"
