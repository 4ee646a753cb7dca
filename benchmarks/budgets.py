"""Hold the measured figures against the budgets.

    python benchmarks/budgets.py [--results DIRECTORY]

Reads what dispatch.py, scale.py and workers.py wrote. Exits with 0 when every budget is met, 1 when one is missed,
3 when none is missed but something was not measured.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

if not __package__:  # Run as a file: the directory above makes the package.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import tables
from benchmarks.contestants import TITLES
from benchmarks.doors import guarded
from benchmarks.machine import RESULTS
from benchmarks.ratios import Spread, ratio_spread, slice_rates, spread
from benchmarks.records import DispatchReport, ScaleReport, WorkersReport, load

MET, MISSED, UNMEASURED = "met", "MISSED", "not measured"
MANY_JOBS = 1_000_000
MANY_WORKERS = 100
ENOUGH_PAIRS = 7


@dataclass(frozen=True)
class Figures:
    """All that was measured; None where it was not."""

    dispatch: DispatchReport | None = None
    scale: ScaleReport | None = None
    workers: WorkersReport | None = None


@dataclass(frozen=True)
class Budget:
    """A bound on a ratio of one contest."""

    workload: str
    peer: str
    least: float
    stretch: float | None = None


RATIOS = (
    Budget("true-equal", "xargs", 1.3, 1.7),
    Budget("true-equal", "xargs-n1", 1.3, 1.7),
    Budget("true-distinct", "xargs", 1.3, 1.7),
    Budget("sh", "xargs", 1.1, 1.25),
    Budget("bash", "xargs", 1.05),
    Budget("true-equal", "parallel", 8),
    Budget("true-equal", "hypershell", 5),
    Budget("true-equal", "dask", 4),
    Budget("true-equal", "ray", 3),
    Budget("true-equal", "futures", 1.4),
)


@dataclass(frozen=True)
class Verdict:
    """One budget and what became of it."""

    what: str
    bound: str
    verdict: str
    figure: str = ""
    remark: str = ""


def judge_all(figures: Figures) -> list[Verdict]:
    """A verdict for each budget."""
    return [
        *_ratios(figures.dispatch),
        *_commands(figures.dispatch),
        *_long(figures.scale),
        *_many(figures.workers),
    ]


def judge(what: str, value: Spread | None, bound: float, unit: str = "", *, least: bool = False) -> Verdict:
    """Hold a median against a bound: at most that, or at least that.

    A spread that reaches over the bound is remarked: another run could end on the other side of it.
    """
    told_bound = f"{'≥' if least else '≤'} {tables.figure(bound)}{unit}"
    if value is None:
        return Verdict(what, told_bound, UNMEASURED)
    met = value.median >= bound if least else value.median <= bound
    crosses = value.low < bound <= value.high if least else value.low <= bound < value.high
    remark = "its spread reaches over the bound" if crosses else ""
    return Verdict(what, told_bound, MET if met else MISSED, tables.told(value, unit), remark)


def _ratios(report: DispatchReport | None) -> Iterator[Verdict]:
    for budget in RATIOS:
        pairs = [
            pair
            for contest in (report.contests if report else ())
            if (contest.workload, contest.peer) == (budget.workload, budget.peer)
            for pair in contest.pairs
        ]
        what = f"{budget.workload}, rate against {TITLES[budget.peer]}"
        verdict = judge(what, ratio_spread(pairs) if pairs else None, budget.least, " ×", least=True)
        remarks = [verdict.remark] if verdict.remark else []
        if pairs and budget.stretch is not None and ratio_spread(pairs).median >= budget.stretch:
            remarks.append(f"stretch {tables.figure(budget.stretch)} × reached")
        if 0 < len(pairs) < ENOUGH_PAIRS:
            remarks.append(f"only {len(pairs)} pairs")
        yield Verdict(verdict.what, verdict.bound, verdict.verdict, verdict.figure, "; ".join(remarks))


def _commands(report: DispatchReport | None) -> Iterator[Verdict]:
    cpu = tables.supervisor_cpu(report) if report else None
    yield judge("supervisor's CPU per job", cpu[0].scaled(1e6) if cpu else None, 25, " µs")
    start_up = report.start_up if report else None
    yield judge("--help", spread(start_up.help_seconds).scaled(1000) if start_up else None, 60, " ms")
    yield judge("run of one job", spread(start_up.one_job_seconds).scaled(1000) if start_up else None, 200, " ms")


def _long(report: ScaleReport | None) -> Iterator[Verdict]:
    run = max(report.runs, key=lambda run: run.jobs) if report and report.runs else None
    jobs = run.jobs if run else MANY_JOBS
    course = memory = scan = None
    if run is not None:
        memory, scan = spread([run.peak_rss / tables.MB]), spread([run.resume_scan * 1000])
        try:
            rates = slice_rates(run.samples, run.jobs)
            course = spread([rates[-1] / rates[0]])
        except ValueError:
            course = None
    for what, value, bound, unit, least in (
        ("rate of the last tenth over the first", course, 0.9, " ×", True),
        ("supervisor's peak memory", memory, 100, " MB", False),
        ("resume scan", scan, 1000, " ms", False),
    ):
        verdict = judge(f"{jobs:,} jobs, {what}", value, bound, unit, least=least)
        if jobs < MANY_JOBS:
            short = f"asked of {MANY_JOBS:,} jobs"
            verdict = Verdict(verdict.what, verdict.bound, UNMEASURED, verdict.figure, short)
        yield verdict


def _many(report: WorkersReport | None) -> Iterator[Verdict]:
    enough = report is not None and report.count >= MANY_WORKERS
    seconds = spread(report.seconds) if report and enough else None
    memory = spread(report.workers_pss).scaled(1 / tables.MB) if report and enough else None
    yield judge(f"{MANY_WORKERS} workers started", seconds, 0.5, " s")
    yield judge(f"{MANY_WORKERS} workers' memory together", memory, 300, " MB")


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 all met, 1 one missed, 3 something not measured."""
    found = {verdict.verdict for verdict in verdicts}
    return 1 if MISSED in found else 3 if UNMEASURED in found else 0


def table(verdicts: Sequence[Verdict]) -> tables.Table:
    """The verdicts as rows."""
    head = ("budget", "bound", "measured", "verdict", "remark")
    return tables.Table(head, [(v.what, v.bound, v.figure, v.verdict, v.remark) for v in verdicts])


def read(directory: str) -> Figures:
    """The reports of a directory.

    Raises:
        DataError: one of them is no such report.
    """
    return Figures(
        dispatch=load(os.path.join(directory, "dispatch.json"), DispatchReport),
        scale=load(os.path.join(directory, "scale.json"), ScaleReport),
        workers=load(os.path.join(directory, "workers.json"), WorkersReport),
    )


def main(arguments: Sequence[str]) -> int:
    """Judge and print."""
    parser = argparse.ArgumentParser(description="Hold the measured figures against the budgets.")
    parser.add_argument("--results", default=RESULTS, metavar="DIRECTORY", help="where the JSON files stand")
    verdicts = judge_all(read(parser.parse_args(arguments).results))
    print(tables.as_text(table(verdicts)))
    return exit_code(verdicts)


if __name__ == "__main__":
    sys.exit(guarded(main))
