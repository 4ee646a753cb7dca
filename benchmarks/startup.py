"""How long small commands take: `--help`, and a run of one job."""

from __future__ import annotations

import compileall
import os
from dataclasses import replace

from benchmarks import contestants, journals
from benchmarks.clocked import clock
from benchmarks.contestants import Field
from benchmarks.machine import ROOT
from benchmarks.records import StartUp
from benchmarks.workloads import WORKLOADS


def compile_ourselves() -> None:
    """Write bytecode for the checkout, as an installation does."""
    compileall.compile_dir(os.path.join(ROOT, "parallel_runner"), quiet=2)


def measure(field: Field, home: str, rounds: int) -> StartUp:
    """Run both commands `rounds` times; the first, uncounted, makes the home and warms the caches."""
    one = contestants.runner_command(field, WORKLOADS["true-equal"], 1, home)
    ask = replace(one, argv=[*field.runner, "--help"], stdin=os.devnull)
    clock(ask)
    clock(one)
    journals.check(home, 1)
    helps, ones = [], []
    for _ in range(rounds):
        helps.append(clock(ask).seconds)
        ones.append(clock(one))
    journals.check(home, rounds + 1)
    return StartUp(
        help_seconds=helps,
        one_job_seconds=[run.seconds for run in ones],
        one_job_cpu=[run.own_cpu for run in ones],
    )
