"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from parallel_runner.errors import UsageError
from parallel_runner.settings.home import Home, resolve_home

F = TypeVar("F", bound=Callable[..., Any])
_COUNT = re.compile(r"([+-]?)(\d+)(?:(\.\d+)?(%))?\Z")


def home_option(command: F) -> F:
    """`--home DIR`."""
    return click.option("--home", metavar="DIR", help="The directory with config/, logs/ and state/.")(command)


def the_home(flag: str | None) -> Home:
    """The home in force."""
    return resolve_home(flag, os.environ)


def job_count(text: str | None, cpus: int, most: int) -> int:
    """What `-j` says: N, +N, -N, N%, or 0 for as many as allowed; None: one per CPU.

    Raises:
        UsageError: it is none of these, or comes to less than one.
    """
    if text is None:
        return cpus
    match = _COUNT.match(text)
    if match is None or (match[1] and match[4]):
        raise UsageError(f"-j {text}: give N, +N, -N, N% or 0")
    number = int(match[2])
    if match[4]:
        return max(1, int(cpus * float(match[2] + (match[3] or "")) / 100))
    if match[1]:
        # GNU parallel's meaning: relative to the number of CPUs, and never less than one.
        return max(1, cpus + (number if match[1] == "+" else -number))
    return number or most


def current_directory() -> bytes:
    """The directory that jobs run in.

    Raises:
        UsageError: it was removed, or may not be looked at.
    """
    try:
        return os.getcwdb()
    except OSError as error:
        raise UsageError(f"the current directory cannot be used: {error.strerror}; cd to another one") from error
