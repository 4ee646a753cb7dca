"""Records as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from parallel_runner.model.lifecycle import State
from parallel_runner.reports.plain import one_line
from parallel_runner.reports.story import StoryRecord, TriedRecord

_COMMAND = 500
_SECONDS = frozenset(("timeout", "grace", "cpu_time"))
_BYTES = frozenset(("memory", "max_output", "file_size"))


def story_lines(told: StoryRecord) -> Iterator[str]:
    """What `why` prints."""
    yield one_line(f"{told.job}{f' ({told.id})' if told.id else ''}: {told.tool}: {told.command}", _COMMAND)
    yield f"  {told.reason}"
    for need in told.needs:
        yield f"  needs {need.called} {need.when}: it {f'is {need.state.value}' if need.state else 'has not ended'}"
    for tried in told.attempts:
        yield f"  {attempt_line(tried)}"
    if told.state is None:
        yield from _outlook(told)
    for line in told.next:
        yield f"  next: {line}"


def attempt_line(tried: TriedRecord) -> str:
    """One attempt."""
    parts = [f"{tried.attempt}: {tried.state.value}"]
    if tried.failure is not None:
        parts.append(f"class {tried.failure.value}")
    if tried.started_at:
        parts.append(f"exit {tried.exit_code}{f' ({tried.meaning})' if tried.meaning else ''}")
        parts.append(f"{tried.wall:.3f} s from {tried.started_at}")
    elif tried.meaning:
        parts.append(tried.meaning)
    if tried.detail:
        parts.append(one_line(tried.detail, _COMMAND))
    if not tried.final:
        parts.append("waits for `resume`" if tried.state is State.INTERRUPTED else "another attempt follows")
    return ", ".join(parts)


def _outlook(told: StoryRecord) -> Iterator[str]:
    """What holds for the attempt in hand or the next one."""
    limits = [f"{key} {_quantity(key, value)}" for key, value in told.limits.items()]
    yield f"  limits: {', '.join(limits)}" + (f"; retries: {told.retries}" if told.retries else "")
    if told.retry_due_at:
        yield f"  the next attempt is due at {told.retry_due_at}"


def _quantity(key: str, value: float) -> str:
    if key in _SECONDS:
        return f"{value:g} s"
    return size_text(value) if key in _BYTES else f"{value:g}"


def size_text(size: float) -> str:
    """Bytes in powers of 1024, as they are written in settings: `10M`."""
    for unit in ("", "K", "M", "G"):
        if size < 1024:
            return f"{size:.4g}{unit}"
        size /= 1024
    return f"{size:.4g}T"
