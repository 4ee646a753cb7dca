"""What the benchmarks write as JSON, raw figures first: everything said about them is computed from these."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TypeVar

import msgspec

from parallel_runner.errors import DataError, InputUnreadableError


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    cpu: str
    cores: int
    """How many this process may use."""
    memory: int
    """Bytes."""
    kernel: str
    python: str
    file_system: str
    """Type of the file system that homes and outputs stood on."""
    bytecode: bool
    """Whether our dependencies were compiled beforehand."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, one right after the other; seconds of wall time."""

    ours: float
    peer: float
    ours_first: bool
    ours_cpu: float
    """CPU seconds of everything that the command started; wall time shows what others did, this hardly does."""
    peer_cpu: float
    others: float
    """Cores that other processes kept busy meanwhile; far from 0, the wall times say little."""


class Contest(msgspec.Struct, kw_only=True):
    """All pairs of one workload against one peer."""

    workload: str
    peer: str
    jobs: int
    peer_start_up: bool
    """Whether the peer's own start-up is in its time. Ours always is in ours."""
    pairs: list[Pair] = []
    supervisor_cpu: list[float] = []
    """CPU seconds of our own process, without workers and jobs, in each of our runs."""


class StartUp(msgspec.Struct, frozen=True, kw_only=True):
    """How long small commands take, seconds."""

    help_seconds: list[float]
    one_job_seconds: list[float]
    one_job_cpu: list[float]
    """CPU seconds of our own process in those runs."""


class DispatchReport(msgspec.Struct, kw_only=True):
    """What dispatch.py writes."""

    date: datetime
    machine: Machine
    versions: dict[str, str]
    slots: int
    contests: list[Contest]
    skipped: dict[str, str]
    """Peers that did not run, and why."""
    start_up: StartUp | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen at a moment of a long run."""

    at: float
    """Seconds from the start of the command."""
    done: int
    rss: int
    """Bytes; of the supervisor alone."""


class ScaleRun(msgspec.Struct, frozen=True, kw_only=True):
    """One long run."""

    jobs: int
    seconds: float
    samples: list[Sample]
    peak_rss: int
    supervisor_cpu: float
    journal: int
    """Bytes of the journal, its log included, after the run."""
    journal_peak: int
    resume_scan: float
    """Seconds that the search for unfinished jobs takes in that journal."""


class ScaleReport(msgspec.Struct, kw_only=True):
    """What scale.py writes."""

    date: datetime
    machine: Machine
    versions: dict[str, str]
    slots: int
    runs: list[ScaleRun]


class WorkersReport(msgspec.Struct, frozen=True, kw_only=True):
    """What workers.py writes; one entry per round."""

    date: datetime
    machine: Machine
    versions: dict[str, str]
    count: int
    seconds: list[float]
    """From the first fork until the last worker can be given work."""
    workers_pss: list[int]
    """Bytes of all workers together, pages that are shared counted by shares."""
    supervisor_pss: list[int]


Report = TypeVar("Report", DispatchReport, ScaleReport, WorkersReport)


def save(report: DispatchReport | ScaleReport | WorkersReport, path: str) -> None:
    """Write a report as JSON; a reader sees the old file or the new one."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    with open(f"{path}.tmp", "wb") as file:
        file.write(text + b"\n")
    os.replace(f"{path}.tmp", path)


def load(path: str, kind: type[Report]) -> Report | None:
    """Read a report; None when there is no such file.

    Raises:
        InputUnreadableError: it is there and cannot be read.
        DataError: it is no such report.
    """
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputUnreadableError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DataError(f"{path}: {error}; measure again, or name another file") from error
