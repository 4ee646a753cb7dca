"""Write the measured figures into the documentation, between its markers.

    python benchmarks/render.py [--check] [--results DIRECTORY] [--page FILE]

With --check nothing is written; exits with 1 when the page does not say what the figures say.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime

if not __package__:  # Run as a file: the directory above makes the package.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import budgets, tables
from benchmarks.budgets import Figures
from benchmarks.doors import guarded
from benchmarks.machine import RESULTS, ROOT
from benchmarks.records import DispatchReport, Machine, ScaleReport, WorkersReport
from parallel_runner.errors import DataError

BEGIN = "<!-- results: begin (written by benchmarks/render.py) -->"
END = "<!-- results: end -->"


def results(figures: Figures) -> str:
    """The whole section, in Markdown."""
    parts = []
    if figures.dispatch is not None:
        parts += _dispatch(figures.dispatch)
    if figures.scale is not None:
        parts += _scale(figures.scale)
    if figures.workers is not None:
        parts += _workers(figures.workers)
    if not parts:
        return "Nothing has been measured yet."
    parts += ["### Budgets", tables.as_markdown(budgets.table(budgets.judge_all(figures)))]
    return "\n\n".join(parts)


def _dispatch(report: DispatchReport) -> list[str]:
    single = tables.single_figures(report)
    return [
        "### Dispatch",
        _about(report.date, report.machine, report.versions),
        f"{report.slots} jobs at a time on every side. {tables.START_UP_NOTE}",
        tables.as_markdown(tables.dispatch(report)),
        *(["\n".join(f"- {line}" for line in single)] if single else []),
    ]


def _scale(report: ScaleReport) -> list[str]:
    parts = [
        "### Long runs",
        _about(report.date, report.machine, report.versions),
        f"`/bin/true` from stdin, {report.slots} at a time, each size one run on a fresh home.",
        tables.as_markdown(tables.scale(report)),
    ]
    course = tables.slices(report)
    if course.rows:
        parts += ["Rate and memory of the supervisor in each tenth of a run:", tables.as_markdown(course)]
    return parts


def _workers(report: WorkersReport) -> list[str]:
    about = _about(report.date, report.machine, report.versions)
    return ["### Starting workers", about, tables.as_markdown(tables.workers(report))]


def _about(date: datetime, machine: Machine, versions: dict[str, str]) -> str:
    return f"Measured on {date:%Y-%m-%d}: {tables.about(machine, versions)}"


def put(page: str, section: str, name: str) -> str:
    """A page with what is between its markers replaced.

    Raises:
        DataError: the markers are not there once each, in order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise DataError(f"{name}: put the lines {BEGIN!r} and {END!r} into it once, in that order")
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description="Write the measured figures into the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is not up to date")
    parser.add_argument("--results", default=RESULTS, metavar="DIRECTORY", help="where the JSON files stand")
    parser.add_argument("--page", default=os.path.join(ROOT, "docs", "performance.md"), metavar="FILE")
    options = parser.parse_args(arguments)
    with open(options.page, encoding="utf-8") as file:
        old = file.read()
    new = put(old, results(budgets.read(options.results)), options.page)
    if options.check:
        if new != old:
            print(f"{options.page} does not say what {options.results} says; run benchmarks/render.py")
        return int(new != old)
    with open(options.page, "w", encoding="utf-8") as file:
        file.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
