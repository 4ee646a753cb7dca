"""Putting a batch together in Python."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from parallel_runner.api.request import Request
from parallel_runner.api.running import Run
from parallel_runner.cli.options import the_home
from parallel_runner.model.batch import BatchSpec
from parallel_runner.model.job import JobSpec
from parallel_runner.runner.one_shot import base_terms
from parallel_runner.tools.python_call import PythonPayload, ship
from parallel_runner.workflows.batch_file import load_batch_text

_SHIPPED = "parallel_runner.shipped:f"
"""Names a function that travels with its job, as far as the rules of batch files are checked."""


class Batch:
    """Jobs that run together, in the words of a batch file (docs/batch-files.md).

    batch = Batch(defaults={"timeout": "10m"})
    build = batch.bash("make -j2", id="build")
    batch.bash(["./unit", "fast"], needs=[build])
    batch.call(check, 42, needs={"after": [build], "when": "finished"})
    for attempt in batch.run(slots=4):
        print(attempt.job, attempt.state, attempt.output)
    """

    def __init__(
        self,
        name: str = "",
        *,
        cwd: str | os.PathLike[str] | None = None,
        home: str | os.PathLike[str] | None = None,
        **rules: Any,
    ) -> None:
        """An empty batch.

        Args:
            name: shown in `history`.
            cwd: directory of the jobs; None: the current one.
            home: directory of the home; None: as for the command line.
            rules: further keys of a batch file's top: defaults, phases, on_failure, deadline, …
        """
        self._top = {"name": name, **rules} if name else dict(rules)
        self._cwd = os.path.abspath(cwd if cwd is not None else os.getcwd())
        self._home = os.fspath(home) if home is not None else None
        self._jobs: list[dict[str, Any]] = []
        self._last: list[dict[str, Any]] = []
        self._shipped: list[PythonPayload] = []

    def add(self, *, id: str | None = None, last: bool = False, **keys: Any) -> str:
        """Add a job by the keys that it would have in a batch file; returns its id, for `needs`.

        Args:
            id: its name; None: `job-N`.
            last: it runs when all others have ended, whatever became of them (`finally`).
            keys: one tool, as in `grep={"pattern": "TODO"}`, and what else the job has.
        """
        name = id if id is not None else f"job-{len(self._jobs) + len(self._last) + 1}"
        (self._last if last else self._jobs).append({"id": name, **keys})
        return name

    def bash(self, command: str | Sequence[str | os.PathLike[str]], **keys: Any) -> str:
        """Add a command: a line for bash, or a program with its arguments, which no shell reads."""
        if isinstance(command, str):
            return self.add(bash={"command": command}, **keys)
        return self.add(bash={"argv": [os.fspath(word) for word in command]}, **keys)

    def call(
        self,
        function: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        **keys: Any,
    ) -> str:
        """Add a call of a function of this program, a lambda or a closure too, with arguments that dill carries.

        It runs in a process of its own; what it returns is the attempt's `value`, if it is what JSON can carry.
        """
        self._shipped.append(ship(functools.partial(function, *args, **(kwargs or {}))))
        return self.add(python={"call": f"{_SHIPPED}{len(self._shipped) - 1}"}, **keys)

    def map(self, function: Callable[..., Any], values: Iterable[Any], **keys: Any) -> list[str]:
        """Add a call for each value; returns the ids."""
        return [self.call(function, (value,), **keys) for value in values]

    def run(self, slots: int | str | None = None) -> Run:
        """Check all of it, and start it.

        Args:
            slots: jobs at once, as `-j` has it: a number, `+1`, `50%`; None: one per CPU.

        Raises:
            DataError: with all that is wrong with the jobs.
            ConfigError: the configuration is wrong.
        """
        spec = self._spec()
        return Run(
            Request(
                home=self._home,
                header=spec.header,
                jobs=list(spec.jobs),
                slots=str(slots) if slots is not None else None,
            )
        )

    def _spec(self) -> BatchSpec:
        document: dict[str, Any] = {**self._top, "jobs": self._jobs}
        if self._last:
            document["finally"] = self._last
        base = base_terms(the_home(self._home))
        spec = load_batch_text("batch.json", json.dumps(document), here=self._cwd, base=base)
        return msgspec.structs.replace(spec, jobs=[self._with_function(spec, one) for one in spec.jobs])

    def _with_function(self, spec: BatchSpec, job: JobSpec) -> JobSpec:
        if spec.header.terms[job.terms].tool != "python":
            return job
        payload = msgspec.msgpack.decode(job.payload, type=PythonPayload)
        if not payload.call.startswith(_SHIPPED):
            return job
        shipped = self._shipped[int(payload.call.removeprefix(_SHIPPED))]
        return msgspec.structs.replace(job, payload=msgspec.msgpack.encode(shipped))
