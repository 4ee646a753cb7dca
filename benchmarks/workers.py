"""Measure what a hundred workers cost: the time until the last can be given work, and the memory of all.

    python benchmarks/workers.py [--count 100] [--rounds 7] [--json FILE]

Each round is a process of its own that opens a home and makes a pool, as `run` does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone

if not __package__:  # Run as a file: the directory above makes the package.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import machine, startup, tables
from benchmarks.clocked import RunError, environment
from benchmarks.doors import guarded, progress
from benchmarks.records import WorkersReport, save
from parallel_runner.errors import UsageError
from parallel_runner.model.events import WorkerStarted

_PATIENCE = 60.0


def pss_of(rollup: str) -> int:
    """Bytes of a process's memory, shared pages by shares, out of /proc/PID/smaps_rollup.

    Raises:
        ValueError: it does not say.
    """
    for line in rollup.splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0]) * 1024
    raise ValueError("no Pss line")


def one_round(home: str, count: int) -> dict[str, float]:
    """Start the workers, weigh them, end them.

    Raises:
        RunError: not all of them came.
    """
    from parallel_runner.runner.session import Session
    from parallel_runner.settings.home import Home

    with Session(Home(home, "--one")) as session:
        executor = session.start_executor(())
        before = time.perf_counter()
        executor.resize("bash", count)
        ready = 0
        while ready < count:
            if time.perf_counter() - before > _PATIENCE:
                raise RunError(
                    f"{ready} of {count} workers came within {_PATIENCE:g} s; see {home}/logs/workers.log"
                )
            session.reactor.run_once(1.0)
            ready += sum(isinstance(event, WorkerStarted) for event in executor.collect())
        seconds = time.perf_counter() - before
        pids = executor.worker_pids().values()
        return {
            "seconds": seconds,
            "workers_pss": sum(_pss(pid) for pid in pids),
            "supervisor_pss": _pss(os.getpid()),
        }


def _pss(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return pss_of(file.read())


def measure(options: argparse.Namespace) -> WorkersReport:
    """All rounds, each in a fresh interpreter."""
    startup.compile_ourselves()
    rounds = []
    with tempfile.TemporaryDirectory(prefix="parallel-runner-bench-", dir=options.scratch) as directory:
        machine.refuse_memory(directory)
        about = machine.describe(directory)
        for number in range(options.rounds):
            progress(f"round {number + 1}/{options.rounds}: {options.count} workers")
            rounds.append(_fresh(os.path.join(directory, f"home-{number}"), options.count))
    return WorkersReport(
        date=datetime.now(timezone.utc),
        machine=about,
        versions=machine.own_versions(),
        count=options.count,
        seconds=[figures["seconds"] for figures in rounds],
        workers_pss=[int(figures["workers_pss"]) for figures in rounds],
        supervisor_pss=[int(figures["supervisor_pss"]) for figures in rounds],
    )


def _fresh(home: str, count: int) -> dict[str, float]:
    argv = [sys.executable, os.path.abspath(__file__), "--one", home, "--count", str(count)]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment({}))
    if done.returncode != 0:
        raise RunError(f"a round failed with exit code {done.returncode}; it said:\n{done.stderr.strip()}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure what starting workers costs.")
    parser.add_argument("--count", type=int, default=100, help="workers (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="how often (%(default)s)")
    parser.add_argument("--json", default=os.path.join(machine.RESULTS, "workers.json"), metavar="FILE")
    parser.add_argument("--scratch", default=tempfile.gettempdir(), help="a directory on a disk (%(default)s)")
    parser.add_argument("--one", default="", metavar="HOME", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for name in ("count", "rounds"):
        if getattr(options, name) < 1:
            raise UsageError(f"--{name} must be 1 or more")
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    options = parse(arguments)
    if options.one:
        print(json.dumps(one_round(options.one, options.count)))
        return 0
    report = measure(options)
    if options.json:
        save(report, options.json)
    print(tables.about(report.machine, report.versions))
    print("\n" + tables.as_text(tables.workers(report)))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
