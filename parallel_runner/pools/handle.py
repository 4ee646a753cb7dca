"""What the supervisor knows of one worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from parallel_runner.journal import spool
from parallel_runner.model.ports import Lease, TermsSource
from parallel_runner.pools import frames
from parallel_runner.pools.channel import Channel
from parallel_runner.pools.process import Post


class Handle:
    """One worker, from its fork until its outcomes are all committed."""

    def __init__(self, post: Post, process: Any, pidfd: int, channel: Channel) -> None:
        self.post = post
        self.pidfd = pidfd
        self.channel = channel
        self._process = process
        self._terms_sent: set[tuple[int, int]] = set()
        self._told_acknowledged = 0
        self.held: dict[int, None] = {}
        """Attempts that it was given and that have not come back, in order."""
        self.began = 0
        """The attempt that it said it had begun, if that is still in hand."""
        self.ended = 0
        """Outcomes that it has told."""
        self.acknowledged = 0
        """Outcomes of it that are committed."""
        self.ready = False
        self.draining = False
        self.kept = False
        self.silence = 0.0
        """Seconds of the supervisor's own running time since its last word."""
        self.idle_since = 0.0
        self.reason = ""

    @property
    def token(self) -> str:
        """Its name."""
        return self.post.token

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self._process.pid)

    @property
    def is_idle(self) -> bool:
        """Whether it waits for work."""
        return self.ready and not self.draining and not self.held

    def assign(self, leases: Sequence[Lease], source: TermsSource) -> None:
        """Send leases, the terms they name, and what is committed, in one piece."""
        parts = []
        for lease in leases:
            key = (lease.batch, lease.terms)
            if key not in self._terms_sent:
                self._terms_sent.add(key)
                parts.append(frames.message(frames.UseTerms(*key, source.terms(*key))))
            self.held[lease.attempt] = None
        parts += [frames.message(frames.Assign(group)) for group in _by_size(leases)]
        self.channel.send(b"".join([*parts, self._acknowledgement()]))

    def _acknowledgement(self) -> bytes:
        if self._told_acknowledged == self.acknowledged:
            return b""
        self._told_acknowledged = self.acknowledged
        return frames.message(frames.Acknowledge(self.acknowledged))

    def acknowledge(self, count: int) -> None:
        """So many more outcomes are committed. Told at once only to an idle worker: each word wakes it up."""
        self.acknowledged += count
        if not self.held and not self.channel.closed:
            self.channel.send(self._acknowledgement())

    def tell(self, message: frames.Downward) -> None:
        """Send one message."""
        self.channel.send(frames.message(message))

    def kill(self) -> None:
        """End the process now; by pidfd, so that never another process is hit."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return

    def exit_reason(self) -> str:
        """How the process ended; reaps it."""
        code = self._process.exitcode
        self._process.join(0)
        if code is None:
            return "still there"
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """Close what the supervisor holds of it."""
        self.channel.close()
        os.close(self.pidfd)

    def remove_files(self) -> None:
        """Remove its spool and its lock: all it had to say is committed."""
        layout = self.post.layout
        for path in (layout.spool(self.token), layout.spool(self.token) + ".new", layout.worker_lock(self.token)):
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue


def _by_size(leases: Sequence[Lease]) -> list[tuple[Lease, ...]]:
    """Leases in frames of at most MAX_COUNT and MAX_FRAME bytes; one that is larger travels alone."""
    groups: list[list[Lease]] = []
    size = frames.MAX_FRAME
    for lease in leases:
        length = len(lease.payload) + 64
        if size + length > frames.MAX_FRAME or len(groups[-1]) >= frames.MAX_COUNT:
            groups.append([])
            size = 0
        groups[-1].append(lease)
        size += length
    return [tuple(group) for group in groups]


def spooled_end(path: str) -> tuple[list[spool.Ended], int]:
    """What a dead worker's spool says: outcomes, and the attempt that it had begun (0: none)."""
    ended: list[spool.Ended] = []
    began = 0
    for record in spool.read(path):
        if isinstance(record, spool.Ended):
            ended.append(record)
            began = 0
        elif isinstance(record, spool.Began):
            began = record.attempt
    return ended, began
