"""Reading what a running job writes, from its worker: see `pools.following`."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from parallel_runner.errors import StateError
from parallel_runner.ids import new_token
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.segments import read_output
from parallel_runner.model.outcome import Output
from parallel_runner.pools.following import Began, Kept, Over, Piece, unpack
from parallel_runner.reports.workers import LiveWorker

LOOK = 0.2
"""Seconds after which a caller hears that there was nothing."""
_ANSWER = 2.0
"""Seconds in which a living worker answers; then it is asked again."""
_READ = 256 * 1024


class Following:
    """What one attempt writes, from its beginning on."""

    def __init__(self, layout: StateLayout, live: LiveWorker) -> None:
        self._layout = layout
        self._live = live
        self.shown = {1: 0, 2: 0}
        """Bytes of each stream that were handed out."""
        self.missed = {1: 0, 2: 0}
        """Bytes that were left out: this reader was too slow, or they were not kept before it came."""
        self.complete = False
        """The worker said that nothing follows."""

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """(1 stdout or 2 stderr, bytes) as they come; (0, b"") each LOOK seconds that nothing does.

        Ends when the attempt has ended, or its worker is gone, or runs another one by now.

        Raises:
            StateError: the home cannot be written: a follower must leave a FIFO there.
        """
        with _fifo(self._layout, self._live.worker) as fd:
            buffer = bytearray()
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            asked, begun = 0.0, False
            while True:
                if not begun and time.monotonic() - asked > _ANSWER:
                    if asked and not is_held(self._layout.worker_lock(self._live.worker)):
                        return
                    asked = time.monotonic()
                    _ask(self._live.pid)
                if not poll.poll(LOOK * 1000):
                    yield 0, b""
                    continue
                data = os.read(fd, _READ)
                if not data:
                    return
                buffer += data
                for told in unpack(buffer):
                    if isinstance(told, Over):
                        self.complete = True
                        return
                    if isinstance(told, Began):
                        begun = True
                        if told.attempt != self._live.attempt:
                            return
                    else:
                        yield from self._read(told)

    def _read(self, told: Kept | Piece) -> Iterator[tuple[int, bytes]]:
        if isinstance(told, Kept):
            for data in read_output(self._layout.outputs, Output(extents=told.extents)):
                self.shown[told.stream] += len(data)
                yield told.stream, data
            return
        self.missed[told.stream] += told.offset - self.shown[told.stream] - self.missed[told.stream]
        self.shown[told.stream] += len(told.data)
        yield told.stream, told.data


def _ask(pid: int) -> None:
    try:
        if pid > 0:
            os.kill(pid, signal.SIGURG)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise StateError(f"cannot follow: worker {pid} is another user's") from error


def _sweep(layout: StateLayout) -> None:
    """Remove what followers that were killed have left, once its worker is gone too."""
    for name in os.listdir(layout.following):
        if not is_held(layout.worker_lock(name.partition(".")[0])):
            try:
                os.unlink(f"{layout.following}/{name}")
            except FileNotFoundError:
                continue  # Another follower was faster.


@contextmanager
def _fifo(layout: StateLayout, worker: str) -> Iterator[int]:
    path = f"{layout.following}/{worker}.{new_token()}"
    try:
        os.makedirs(layout.following, mode=0o700, exist_ok=True)
        _sweep(layout)
        os.mkfifo(path, 0o600)
    except OSError as error:
        raise StateError(
            f"cannot follow: {layout.following} cannot be written ({error.strerror}); "
            "without --follow, `logs` shows what a job wrote once it has ended"
        ) from error
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        yield fd
    except msgspec.MsgspecError as error:
        raise StateError("cannot follow: the job's runner is of another version") from error
    finally:
        if fd >= 0:
            os.close(fd)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass  # The worker has opened it.
