"""Measure long runs: whether rate and memory stay flat while the journal grows.

    python benchmarks/scale.py [--sizes 10000,100000,1000000] [--json FILE]

Each size is one run of that many `/bin/true` from stdin on a fresh home. A million takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

if not __package__:  # Run as a file: the directory above makes the package.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import contestants, journals, machine, startup, tables
from benchmarks.clocked import ended, finish, start
from benchmarks.contestants import Field
from benchmarks.doors import guarded, progress
from benchmarks.records import Sample, ScaleReport, ScaleRun, save
from benchmarks.workloads import WORKLOADS, Inputs
from parallel_runner.errors import UsageError
from parallel_runner.runner.session import STATS

LEAST_INTERVAL = 0.05
MOST_INTERVAL = 1.0
_JOBS_PER_SAMPLE = 1_000


def interval_for(jobs: int) -> float:
    """Seconds between two looks: some dozens of looks in a short run, one a second in a long one."""
    return min(MOST_INTERVAL, max(LEAST_INTERVAL, jobs / _JOBS_PER_SAMPLE * 0.01))


def memory_of(status: str) -> tuple[int, int]:
    """(resident now, resident at most) in bytes, out of /proc/PID/status; zeros once the process has ended."""
    found = {"VmRSS": 0, "VmHWM": 0}
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["VmHWM"]


@dataclass
class Watch:
    """Looks at a running command and at its journal, and remembers."""

    home: str
    pid: int
    started: float
    samples: list[Sample] = field(default_factory=list)
    peak_rss: int = 0
    journal_peak: int = 0
    _connection: sqlite3.Connection | None = None

    def look(self) -> None:
        """One sample."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8", errors="replace") as file:
            rss, peak = memory_of(file.read())
        done = self._done()
        self.samples.append(Sample(at=time.perf_counter() - self.started, done=done, rss=rss))
        self.peak_rss = max(self.peak_rss, peak)
        self.journal_peak = max(self.journal_peak, journals.journal_size(self.home))

    def close(self) -> None:
        """Let the journal go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _done(self) -> int:
        path = journals.layout_of(self.home).journal
        try:
            if self._connection is None:
                if not os.path.exists(path):
                    return 0
                self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            return journals.done_so_far(self._connection)
        except sqlite3.OperationalError:
            # It is being made, or its tables are; the next look finds them.
            return self.samples[-1].done if self.samples else 0


def run_one(place: Field, jobs: int) -> ScaleRun:
    """One long run, watched from start to end.

    Raises:
        RunError: it failed, or its journal does not hold every job once.
    """
    home = tempfile.mkdtemp(prefix="home-", dir=place.directory)
    try:
        command = contestants.runner_command(place, WORKLOADS["true-equal"], jobs, home)
        stats = os.path.join(home, "stats.json")
        command = replace(command, env={**command.env, STATS: stats})
        begun = time.perf_counter()
        process = start(command)
        watch = Watch(home=home, pid=process.pid, started=begun)
        try:
            seconds = _watch_until_end(watch, process, interval_for(jobs))
            cpu = finish(process, command)
        finally:
            watch.close()
            if process.returncode is None:
                process.kill()
                process.wait()
        watch.samples.append(Sample(at=seconds, done=jobs, rss=0))
        journals.check(home, jobs)
        return ScaleRun(
            jobs=jobs,
            seconds=seconds,
            samples=watch.samples,
            peak_rss=max(watch.peak_rss, _told_peak(stats)),
            supervisor_cpu=cpu,
            journal=journals.journal_size(home),
            journal_peak=watch.journal_peak,
            resume_scan=journals.resume_scan(home),
        )
    finally:
        shutil.rmtree(home)


def _told_peak(path: str) -> int:
    """What the supervisor says of itself at its end, since looks may miss its last second; 0 when it means nothing.

    A process starts with the peak of the one that spawned it, so only more than our own peak is its own.
    """
    with open(path, encoding="utf-8") as file:
        told = int(json.load(file)["supervisor_max_rss"])
    return told if told > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 else 0


def _watch_until_end(watch: Watch, process: subprocess.Popen[bytes], interval: float) -> float:
    pidfd = os.pidfd_open(process.pid)
    try:
        while not ended(pidfd, interval):
            watch.look()
    finally:
        os.close(pidfd)
    return time.perf_counter() - watch.started


def measure(options: argparse.Namespace) -> ScaleReport:
    """All sizes, the smallest first; the report is saved after each."""
    with tempfile.TemporaryDirectory(prefix="parallel-runner-bench-", dir=options.scratch) as directory:
        machine.refuse_memory(directory)
        if not options.runner:
            startup.compile_ourselves()
        place = Field(
            inputs=Inputs(directory),
            directory=directory,
            slots=options.slots,
            runner=shlex.split(options.runner) or contestants.default_runner(),
            peer_python=sys.executable,
        )
        report = ScaleReport(
            date=datetime.now(timezone.utc),
            machine=machine.describe(directory),
            versions=machine.own_versions(),
            slots=options.slots,
            runs=[],
        )
        for jobs in sorted(options.sizes):
            progress(f"{jobs:,} jobs")
            report.runs.append(run_one(place, jobs))
            if options.json:
                save(report, options.json)
        return report


def parse_sizes(text: str) -> list[int]:
    """`10000,100000` as numbers.

    Raises:
        UsageError: something in it is no positive number.
    """
    sizes = []
    for part in text.replace("_", "").split(","):
        if not part.strip().isdecimal() or int(part) < 1:
            raise UsageError(f"--sizes: {part!r} is no number of jobs; give some, like 10000,100000")
        sizes.append(int(part))
    return sizes


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure whether long runs stay flat.")
    parser.add_argument("--sizes", default="10000,100000,1000000", help="jobs of each run (%(default)s)")
    parser.add_argument("--slots", type=int, default=2, help="jobs at a time (%(default)s)")
    parser.add_argument("--json", default=os.path.join(machine.RESULTS, "scale.json"), metavar="FILE")
    parser.add_argument("--runner", default="", metavar="COMMAND", help="another parallel-runner to measure")
    parser.add_argument("--scratch", default=tempfile.gettempdir(), help="a directory on a disk (%(default)s)")
    options = parser.parse_args(arguments)
    options.sizes = parse_sizes(options.sizes)
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    report = measure(parse(arguments))
    print(tables.about(report.machine, report.versions))
    print("\n" + tables.as_text(tables.scale(report)))
    print("\n" + tables.as_text(tables.slices(report)))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
