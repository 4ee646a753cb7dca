"""Moments as people write them: a date, a date with a time, or how long ago. Pure but for the time zone."""

from __future__ import annotations

from datetime import datetime, timedelta

from parallel_runner.errors import UsageError
from parallel_runner.settings.units import duration_of

_DAYS = {"today": 0, "yesterday": 1}


def moment(text: str, now: datetime, what: str) -> float:
    """Seconds since the epoch.

    Args:
        text: `2h`, `3d`, `1h30m` (that long ago), `today`, `yesterday`, `2026-03-01`, `2026-03-01T14:30`; local
            time unless it names another zone.
        now: an aware moment.
        what: the option's name, for the message.

    Raises:
        UsageError: it is none of these.
    """
    if text in _DAYS:
        day = now.date() - timedelta(days=_DAYS[text])
        return datetime(day.year, day.month, day.day).astimezone(now.tzinfo).timestamp()
    ago = None if text.strip().isdigit() else duration_of(text)
    if ago is not None:
        return now.timestamp() - ago
    try:
        # Python 3.10 does not read a `Z`.
        when = datetime.fromisoformat(
            text.strip().removesuffix("Z") + ("+00:00" if text.strip()[-1:] == "Z" else "")
        )
        return when.timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{what} {text}: give a date (2026-03-01, 2026-03-01T14:30, today, yesterday) or how long ago (2h, 3d)"
        ) from None
