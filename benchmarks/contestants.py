"""Who runs against us, and by which command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.clocked import Clocked, Command, RunError, clock, environment
from benchmarks.machine import ROOT
from benchmarks.workloads import SHELLS, Inputs, Workload
from parallel_runner.errors import UsageError

_HERE = os.path.join(ROOT, "benchmarks")
ALL = ("true-equal", "true-distinct", "sh", "bash")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Somebody to run against."""

    name: str
    share: float = 1.0
    """Of the jobs; slow ones get fewer."""
    workloads: Sequence[str]
    engine: bool = False
    """A library that is started before the clock is, in engines.py."""


PEERS = {
    peer.name: peer
    for peer in (
        Peer(name="xargs", workloads=ALL),
        Peer(name="xargs-n1", workloads=("true-equal",)),
        Peer(name="limit", workloads=ALL),
        Peer(name="parallel", share=0.1, workloads=("true-equal", "sh")),
        Peer(name="futures", workloads=("true-equal", "sh"), engine=True),
        Peer(name="futures-chunked", workloads=("true-equal", "sh"), engine=True),
        Peer(name="joblib", workloads=("true-equal",), engine=True),
        Peer(name="dask", share=0.2, workloads=("true-equal",), engine=True),
        Peer(name="ray", share=0.2, workloads=("true-equal",), engine=True),
        Peer(name="hypershell", share=0.2, workloads=("true-equal",)),
    )
}
TITLES = {
    "xargs": "xargs -P",
    "xargs-n1": "xargs -P -n1, one argument more",
    "limit": "C: posix_spawn and wait",
    "parallel": "GNU parallel",
    "futures": "ProcessPoolExecutor",
    "futures-chunked": "ProcessPoolExecutor, chunks of 16",
    "joblib": "joblib",
    "dask": "Dask",
    "ray": "Ray",
    "hypershell": "HyperShell",
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """Where everybody runs."""

    inputs: Inputs
    directory: str
    """For outputs and homes."""
    slots: int
    runner: Sequence[str]
    """Our own command."""
    peer_python: str
    """The interpreter that the libraries are installed for."""
    limit: str = ""
    """The compiled C program."""
    hypershell: str = ""

    @property
    def output(self) -> str:
        """The file that stdout goes to."""
        return os.path.join(self.directory, "stdout")

    @property
    def complaints(self) -> str:
        """The file that stderr goes to."""
        return os.path.join(self.directory, "stderr")

    def command(self, argv: Sequence[str], stdin: str, env: Mapping[str, str]) -> Command:
        """A command here."""
        return Command(
            argv=argv, stdin=stdin, stdout=self.output, stderr=self.complaints, env=env, cwd=self.directory
        )


@dataclass(frozen=True)
class Presence:
    """Who is here, in which version, and who is not."""

    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def default_runner() -> list[str]:
    """The installed command beside this interpreter, else the checkout's module."""
    script = os.path.join(os.path.dirname(sys.executable), "parallel-runner")
    return [script] if os.path.exists(script) else [sys.executable, "-m", "parallel_runner"]


def runner_command(field: Field, workload: Workload, jobs: int, home: str) -> Command:
    """Ours, as a user runs it: lines on stdin, a home on a disk."""
    argv = [*field.runner, "run", f"-j{field.slots}"]
    if workload.shell == "sh":
        argv += ["--shell", "sh"]
    return field.command(argv, field.inputs.lines(workload, jobs), runner_environment(home))


def runner_environment(home: str) -> dict[str, str]:
    """What our command needs; the checkout is importable also where it is not installed."""
    return {"PARALLEL_RUNNER_HOME": home, "PYTHONPATH": ROOT}


def peer_command(field: Field, peer: Peer, workload: Workload, jobs: int) -> Command:
    """The same jobs by somebody else."""
    shell = SHELLS.get(workload.shell, "")
    slots = str(field.slots)
    inputs = field.inputs
    if peer.engine:
        lines = inputs.lines(workload, jobs)
        argv = [field.peer_python, "-I", os.path.join(_HERE, "engines.py"), peer.name, lines, shell, slots]
        return field.command(argv, os.devnull, {})
    if peer.name in ("xargs", "xargs-n1"):
        each = xargs_words(workload, append=peer.name == "xargs-n1")
        return field.command(["xargs", f"-P{slots}", *each], inputs.arguments(workload, jobs), {})
    if peer.name == "limit":
        each = [shell, "-c", workload.text] if shell else workload.line(jobs).split()
        return field.command([field.limit, slots, str(jobs), *each], os.devnull, {})
    if peer.name == "parallel":
        # It gives every line to a shell; sh is the fastest that it can have.
        env = {"PARALLEL_SHELL": shell or SHELLS["sh"], "PARALLEL_HOME": os.path.join(field.directory, "parallel")}
        return field.command(["parallel", "--will-cite", f"-j{slots}"], inputs.lines(workload, jobs), env)
    if peer.name == "hypershell":
        # Its fastest way: no database, no confirmation, big bundles, one second of waiting for more, little log.
        fast = ["--no-db", "--no-tls", "--no-confirm", "-b", "100", "-w", "1"]
        argv = [field.hypershell, "-N", slots, *fast]
        return field.command(argv, inputs.lines(workload, jobs), {"HYPERSHELL_LOGGING_LEVEL": "WARNING"})
    raise UsageError(f"there is no peer {peer.name!r}; there are: {', '.join(PEERS)}")


def xargs_words(workload: Workload, *, append: bool) -> list[str]:
    """What follows `xargs -P`: the very processes that we start, or, with `append`, one argument more on each."""
    if workload.shell:
        return ["-d", "\\n", "-n1", SHELLS[workload.shell], "-c"]
    if workload.distinct or append:
        return ["-n1", *workload.text.split()]
    # A replace string that does not occur: one process per line, and nothing appended.
    return ["-I{}", *workload.text.split()]


def run_peer(field: Field, peer: Peer, workload: Workload, jobs: int) -> Clocked:
    """Run a peer's command; of a library, the seconds are those that it says itself.

    Raises:
        RunError: it failed, or did not do all the jobs.
    """
    taken = clock(peer_command(field, peer, workload, jobs))
    if peer.engine:
        with open(field.output, encoding="utf-8") as file:
            return replace(taken, seconds=engine_seconds(file.read(), peer.name, workload, jobs))
    check_output(field.output, peer.name, workload, jobs)
    return taken


def engine_seconds(text: str, name: str, workload: Workload, jobs: int) -> float:
    """The time out of what engines.py printed.

    Raises:
        RunError: not all jobs ran, or one failed, or output is missing.
    """
    lines = text.strip().splitlines()
    told = json.loads(lines[-1]) if lines else {}
    expected = {"jobs": jobs, "failed": 0, "output": jobs * workload.output}
    wrong = {key: told.get(key) for key, value in expected.items() if told.get(key) != value}
    if wrong:
        raise RunError(f"{name}, {workload.name}: expected {expected}, got {wrong}")
    return float(told["seconds"])


def check_output(path: str, name: str, workload: Workload, jobs: int) -> None:
    """Raise RunError unless all jobs' output is there; the fastest way to run jobs is to drop some."""
    size, expected = os.path.getsize(path), jobs * workload.output
    if size != expected:
        raise RunError(f"{name}, {workload.name}: {expected} bytes of output expected, got {size}")


def compile_limit(directory: str) -> str:
    """Compile the C program; empty when there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return ""
    path = os.path.join(directory, "limit")
    source = os.path.join(_HERE, "limit.c")
    clock(Command(argv=[compiler, "-O2", "-Wall", "-o", path, source], stderr=f"{path}.log"))
    return path


def find_hypershell(peer_python: str) -> str:
    """Its command beside the peers' interpreter, else on PATH; empty when there is none."""
    beside = os.path.join(os.path.dirname(peer_python), "hsx")
    return beside if os.path.exists(beside) else shutil.which("hsx") or ""


def look_around(field: Field) -> Presence:
    """Who of the peers is here."""
    found = Presence()
    told = _output([field.peer_python, "-I", os.path.join(_HERE, "engines.py"), "list"])
    engines: dict[str, str] = json.loads(told) if told else {}
    programs = {
        "xargs": shutil.which("xargs"),
        "xargs-n1": shutil.which("xargs"),
        "parallel": shutil.which("parallel"),
        "limit": field.limit,
        "hypershell": field.hypershell,
    }
    for peer in PEERS.values():
        if peer.engine and peer.name in engines:
            found.versions[peer.name] = engines[peer.name]
        elif peer.engine:
            found.missing[peer.name] = "not installed"
        elif not programs[peer.name]:
            found.missing[peer.name] = "no C compiler" if peer.name == "limit" else "not installed"
        elif peer.name == "limit":
            found.versions["limit"] = _output(["cc", "--version"]).partition("\n")[0]
        else:
            found.versions[peer.name] = _output([str(programs[peer.name]), "--version"]).partition("\n")[0]
    return found


def _output(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, env=environment({}))
    return done.stdout.strip()
