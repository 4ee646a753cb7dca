"""Measure how fast jobs are dispatched, against everybody else who is installed, in one interleaved run.

    python benchmarks/dispatch.py [--jobs N] [--pairs 7] [--only NAME]... [--json FILE] [--quick]

Prints the median ratio per peer with its spread, and writes the raw figures as JSON.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone

if not __package__:  # Run as a file: the directory above makes the package.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import contestants, journals, machine, startup, tables
from benchmarks.clocked import Clocked, clock
from benchmarks.contestants import PEERS, Field
from benchmarks.doors import guarded, progress
from benchmarks.ratios import turns
from benchmarks.records import Contest, DispatchReport, Pair, save
from benchmarks.workloads import WORKLOADS, Inputs
from parallel_runner.errors import UsageError

START_UP = "start-up"
LEAST = 1_000
"""Jobs that also slow peers get; with fewer, our own start-up would be most of what is seen."""


def contests(only: Sequence[str], jobs: int, missing: Sequence[str]) -> list[Contest]:
    """Who runs which workload, with how many jobs.

    Args:
        only: names of workloads and peers; of each kind, none means all.
        jobs: for the fastest peers; slower ones get a share.
        missing: peers that are not here.

    Raises:
        UsageError: a name in `only` is neither.
    """
    unknown = [name for name in only if name not in WORKLOADS and name not in PEERS and name != START_UP]
    if unknown:
        known = ", ".join([*WORKLOADS, *PEERS, START_UP])
        raise UsageError(f"--only {unknown[0]}: no such workload or peer; there are: {known}")
    workloads = [name for name in only if name in WORKLOADS]
    peers = [name for name in only if name in PEERS]
    if START_UP in only and not workloads and not peers:
        return []
    return [
        Contest(
            workload=workload,
            peer=peer.name,
            jobs=max(min(jobs, LEAST), int(jobs * peer.share)),
            peer_start_up=not peer.engine,
        )
        for workload in workloads or WORKLOADS
        for peer in PEERS.values()
        if peer.name in (peers or PEERS) and workload in peer.workloads and peer.name not in missing
    ]


def run_pair(field: Field, contest: Contest, ours_first: bool) -> None:
    """Run both, one right after the other, and note the times."""
    runs = {}
    for our_turn in (True, False) if ours_first else (False, True):
        runs[our_turn] = _run_ours(field, contest) if our_turn else _run_theirs(field, contest)
    ours, peer = runs[True], runs[False]
    contest.supervisor_cpu.append(ours.own_cpu)
    contest.pairs.append(
        Pair(
            ours=ours.seconds,
            peer=peer.seconds,
            ours_first=ours_first,
            ours_cpu=ours.all_cpu,
            peer_cpu=peer.all_cpu,
            others=max(ours.others, peer.others),
        )
    )


def _run_ours(field: Field, contest: Contest) -> Clocked:
    workload = WORKLOADS[contest.workload]
    home = tempfile.mkdtemp(prefix="home-", dir=field.directory)
    try:
        run = clock(contestants.runner_command(field, workload, contest.jobs, home))
        contestants.check_output(field.output, "parallel-runner", workload, contest.jobs)
        journals.check(home, contest.jobs)
    finally:
        shutil.rmtree(home)
    return run


def _run_theirs(field: Field, contest: Contest) -> Clocked:
    return contestants.run_peer(field, PEERS[contest.peer], WORKLOADS[contest.workload], contest.jobs)


def race(field: Field, report: DispatchReport, rounds: int, path: str) -> None:
    """All pairs of all contests, interleaved; the report is saved after each round."""
    started = time.monotonic()
    for number, index, ours_first in turns(rounds, len(report.contests)):
        contest = report.contests[index]
        progress(
            f"round {number + 1}/{rounds}: {contest.workload} against {contest.peer}, {contest.jobs} jobs "
            f"({time.monotonic() - started:.0f} s so far)"
        )
        run_pair(field, contest, ours_first)
        if path and index == len(report.contests) - 1:
            save(report, path)


def measure(options: argparse.Namespace) -> DispatchReport:
    """Everything that was asked for."""
    with tempfile.TemporaryDirectory(prefix="parallel-runner-bench-", dir=options.scratch) as directory:
        machine.refuse_memory(directory)
        if not options.runner:
            startup.compile_ourselves()
        field = Field(
            inputs=Inputs(directory),
            directory=directory,
            slots=options.slots,
            runner=shlex.split(options.runner) or contestants.default_runner(),
            peer_python=options.peer_python,
            limit=contestants.compile_limit(directory),
            hypershell=contestants.find_hypershell(options.peer_python),
        )
        present = contestants.look_around(field)
        report = DispatchReport(
            date=datetime.now(timezone.utc),
            machine=machine.describe(directory),
            versions={**machine.own_versions(), **present.versions},
            slots=options.slots,
            contests=contests(options.only, options.jobs, list(present.missing)),
            skipped=present.missing,
        )
        if not options.only or START_UP in options.only:
            progress(f"start-up, {options.start_ups} times")
            report.start_up = startup.measure(field, os.path.join(directory, "start-up"), options.start_ups)
        race(field, report, options.pairs, options.json)
        if options.json:
            save(report, options.json)
        return report


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure dispatch against peers, in one interleaved run.")
    parser.add_argument("--jobs", type=int, help="jobs per run; slow peers get a share (20,000)")
    parser.add_argument("--pairs", type=int, help="pairs per peer and workload (7)")
    parser.add_argument("--slots", type=int, default=2, help="jobs at a time, for everybody (%(default)s)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a workload or a peer; repeatable"
    )
    parser.add_argument("--json", metavar="FILE", help="where figures go (benchmarks/results/dispatch.json)")
    parser.add_argument("--quick", action="store_true", help="2,000 jobs, 3 pairs, no file unless --json is given")
    parser.add_argument("--runner", default="", metavar="COMMAND", help="another parallel-runner to measure")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter with joblib, dask, ray")
    parser.add_argument("--scratch", default=tempfile.gettempdir(), help="a directory on a disk (%(default)s)")
    options = parser.parse_args(arguments)
    quick = options.quick
    options.start_ups = 5 if quick else 20
    defaults = {
        "jobs": 2_000 if quick else 20_000,
        "pairs": 3 if quick else 7,
        "json": "" if quick else os.path.join(machine.RESULTS, "dispatch.json"),
    }
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    for name in ("jobs", "pairs", "slots"):
        if getattr(options, name) < 1:
            raise UsageError(f"--{name} must be 1 or more")
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    report = measure(parse(arguments))
    print(tables.dispatch_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
