"""A process's stay on a home: journal open, dead owners cleared, itself registered, pools made, and all undone."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

from parallel_runner.clock import SystemClock
from parallel_runner.errors import DiskFullError, JournalBusyError, StateError
from parallel_runner.executors.local import LocalExecutor, Place
from parallel_runner.journal import disk, named_locks, owners, recovery
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.store import Journal
from parallel_runner.model.fan_out import FAN_OUT
from parallel_runner.model.terms import Terms
from parallel_runner.pools.cgroup import delegation
from parallel_runner.pools.orphans import kill_marked
from parallel_runner.pools.process import Hold
from parallel_runner.reactor import Reactor
from parallel_runner.runner.requests import drop_stale
from parallel_runner.settings.catalogue import Settings
from parallel_runner.settings.home import Home
from parallel_runner.settings.load import load_cached
from parallel_runner.tools import registry

JOURNAL_PATIENCE = 5.0
T = TypeVar("T")
STATS = "PARALLEL_RUNNER_STATS"
"""Environment variable: a file that the supervisor's own use of CPU and memory is written to, for benchmarks."""


def instance_budget(settings: Settings) -> int:
    """Instances that all owners of a home together may have."""
    limits = settings.parallelization.global_settings
    return max(1, int(limits.max_total_instances * (1 - limits.resource_safety_margin)))


def is_read_only(tool: str) -> bool:
    """Whether a tool does no harm when run twice; a tool that is gone is taken to."""
    return tool in registry.names() and registry.get(tool).read_only


def _not_yet(number: int, frame: object) -> None:
    """A request that comes early."""


def patiently(call: Callable[[], T]) -> T:
    """Make a call that needs the journal to itself for a moment; others have it for milliseconds.

    Raises:
        JournalBusyError: it stayed locked for JOURNAL_PATIENCE seconds.
    """
    until = time.monotonic() + JOURNAL_PATIENCE
    while True:
        try:
            return call()
        except JournalBusyError:
            # SQLite has waited 50 ms by itself.
            if time.monotonic() > until:
                raise


class TermsTable:
    """Terms of the batches of this session. Implements the TermsSource port."""

    def __init__(self) -> None:
        self._terms: dict[int, Sequence[Terms]] = {}

    def put(self, batch: int, terms: Sequence[Terms]) -> None:
        """Make the terms of a batch known."""
        self._terms[batch] = terms

    def terms(self, batch: int, index: int) -> Terms:
        """The terms `index` of a batch."""
        return self._terms[batch][index]


class Session:
    """Use as a context manager."""

    def __init__(self, home: Home) -> None:
        self.settings = load_cached(home.config, os.environ, f"{home.state}/settings.cache").settings
        # Until its loop listens, a request must not end this process: it is looked for when the loop begins.
        signal.signal(signal.SIGUSR2, _not_yet)
        home.create()
        self.home = home
        self.clock = SystemClock()
        self.layout = StateLayout(home.state)
        self.disk_floor = disk.floor(home.state, self.settings.resource_limits.floors.min_free_disk)
        if shortage := disk.shortage(self.layout, self.disk_floor):
            raise DiskFullError(shortage)
        self.reactor = Reactor(self.clock)
        self.journal = patiently(
            lambda: Journal(self.layout, durability=self.settings.resource_limits.journal.durability)
        )
        disk.ensure_ballast(self.layout)
        self.owner = patiently(lambda: owners.register(self.journal, "run"))
        self.recovered = recovery.Report()
        self.killed: list[int] = []
        self.terms = TermsTable()
        self.hold = Hold([self.journal, self.reactor.keepalive, self.owner])
        self.executor: LocalExecutor | None = None

    def __enter__(self) -> Session:
        return self

    def recover(self) -> recovery.Report:
        """Take over from dead owners, and end what their jobs left behind."""
        self.journal.flush()
        report = patiently(lambda: recovery.recover(self.journal, self.owner.token, is_read_only))
        self.killed += kill_marked(report.dead)
        patiently(lambda: named_locks.clear(self.journal))
        drop_stale(self.layout, lambda owner: owners.is_alive(self.layout, owner))
        self.recovered.adopted += report.adopted
        self.recovered.doubtful += report.doubtful
        self.recovered.outcomes += report.outcomes
        self.recovered.orphans = report.orphans
        return report

    def start_executor(self, terms: Sequence[Terms]) -> LocalExecutor:
        """Make the pools for jobs on these terms; workers come with the first need for them."""
        limited = any(
            one.limits.memory is not None or one.limits.processes is not None or one.tool == FAN_OUT
            for one in terms
        )
        groups = delegation() if limited else None
        place = Place(self.layout, self.owner.token, f"{self.home.logs}/workers.log", self.disk_floor, groups)
        self.executor = LocalExecutor(self.reactor, place, self.terms, self.hold, self.clock)
        return self.executor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.executor is not None:
            self.executor.shutdown(grace=5.0)
        try:
            patiently(lambda: owners.unregister(self.journal, self.owner))
        except StateError:
            # A full disk: the row stays and is cleared away by the next owner, since the lock goes with us.
            self.owner.lock.close()
            if error is None:
                raise
        finally:
            self.journal.close()
            self.reactor.close()
            _write_stats()


def _write_stats() -> None:
    path = os.environ.get(STATS)
    if not path:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(
            {
                "supervisor_cpu_seconds": usage.ru_utime + usage.ru_stime,
                "supervisor_max_rss": usage.ru_maxrss * 1024,
            },
            file,
        )
