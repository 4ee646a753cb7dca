"""`deploy`: make a home, look at the machine, try a sample batch."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from parallel_runner.checks.machine import examine, look
from parallel_runner.cli.options import the_home
from parallel_runner.cli.reading import line
from parallel_runner.errors import ConfigError, InputUnreadableError, StateError
from parallel_runner.runner.session import instance_budget
from parallel_runner.settings.catalogue import FILES
from parallel_runner.settings.home import MARKER, Home
from parallel_runner.settings.load import load
from parallel_runner.settings.render import render_file

_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_SAMPLE = f"{_CHECKOUT}/config/examples/first-batch.yaml"
_PATIENCE = 300
OVERRIDES = """\
# Written by `deploy`. What stands here is in force over the other files.
parallelization:
  global_settings:
    max_total_instances: {count}
"""


@click.command()
@click.option("--max-instances", type=click.IntRange(1, 10_000), help="Jobs at once, of all runners of the home.")
@click.option("--home", metavar="DIR", help="Where the home is to be; recorded for later commands.")
def command(max_instances: int | None, home: str | None) -> int:
    """Create the home (keeping every file that is there), check the machine, and run the sample batch."""
    place = the_home(home or (None if os.environ.get("PARALLEL_RUNNER_HOME") else _recorded_or_checkout()))
    place.create()
    line(f"home: {place.root}")
    _copy_missing(place)
    if max_instances is not None:
        _override(place, max_instances)
    _record(place)
    settings = load(place.config, os.environ).settings
    findings = examine(look(place.state), instance_budget(settings))
    for finding in findings:
        line(f"  {finding.level}: {finding.message}")
    sys.stdout.flush()
    if any(finding.level == "critical" for finding in findings):
        raise ConfigError("this machine cannot run with this configuration; see the lines marked critical")
    code = _try_sample(place)
    if code == 0:
        _say_what_next()
    return code


def _recorded_or_checkout() -> str:
    try:
        with open(f"{sys.prefix}/{MARKER}", encoding="utf-8") as file:
            return file.read().strip() or _CHECKOUT
    except OSError:
        return _CHECKOUT


def _copy_missing(place: Home) -> None:
    for name in FILES:
        target = f"{place.config}/{name}"
        if not os.path.exists(target):
            with open(target, "x", encoding="utf-8") as file:
                file.write(render_file(name))
            line(f"  wrote {target}")


def _override(place: Home, count: int) -> None:
    path = f"{place.config}/overrides.yaml"
    text = OVERRIDES.format(count=count)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            before = file.read()
        if before == text:
            return
        if not before.startswith(OVERRIDES.splitlines()[0]):
            raise ConfigError(f"{path} is there and is not deploy's; set max_total_instances in it by hand")
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
    line(f"  max_total_instances is {count} from now on ({path})")


def _record(place: Home) -> None:
    if sys.prefix == sys.base_prefix:
        return  # No environment of our own: nothing to record it in.
    try:
        with open(f"{sys.prefix}/{MARKER}", "w", encoding="utf-8") as file:
            file.write(place.root + "\n")
    except OSError as error:
        raise StateError(f"the home cannot be recorded in {sys.prefix}: {error.strerror}") from error


def _try_sample(place: Home) -> int:
    if not os.path.exists(_SAMPLE):
        raise InputUnreadableError(f"the sample batch {_SAMPLE} is missing; is this a whole checkout?")
    line(f"running the sample batch {_SAMPLE}")
    sys.stdout.flush()
    arguments = [sys.executable, "-m", "parallel_runner", "run", "-k", "-f", _SAMPLE, "--home", place.root]
    try:
        return subprocess.run(arguments, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False).returncode
    except subprocess.TimeoutExpired as error:
        raise StateError(f"the sample batch did not end within {_PATIENCE} s; see {place.logs}") from error


def _say_what_next() -> None:
    program = f"{sys.prefix}/bin/parallel-runner"
    program = os.path.relpath(program) if os.path.exists(program) else "parallel-runner"
    line("all is well. What to type next:")
    line(f"  seq 5 | {program} run echo number {{}}")
    line(f"  {program} history")
    line(f"  {program} --help")
