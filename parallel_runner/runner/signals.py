"""Signals: handlers only note, the loop acts."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """Notes signals and wakes the loop through a pipe. Restores the old handlers on close."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._noted: list[int] = []
        self._old_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        # nohup ignores SIGHUP on purpose: that stays.
        self._old: dict[int, Any] = {
            number: signal.signal(number, self._received)
            for number in _WATCHED
            if signal.getsignal(number) is not signal.SIG_IGN
        }

    def note(self, number: int) -> None:
        """Take this for a signal that has come."""
        self._noted.append(number)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)

    def take(self) -> list[int]:
        """What has come since the last call."""
        if not self._noted:
            return []
        try:
            while os.read(self.fd, 512):
                pass
        except BlockingIOError:
            pass
        noted, self._noted = self._noted, []
        return noted

    def close(self) -> None:
        """Restore handlers and close the pipe."""
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        os.close(self.fd)
        os.close(self._write)
