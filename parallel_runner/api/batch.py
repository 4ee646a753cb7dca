"""Putting a batch together in Python."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from parallel_runner.api.request import Request
from parallel_runner.api.running import Run
from parallel_runner.cli.options import the_home
from parallel_runner.errors import DataError
from parallel_runner.model.batch import BatchSpec
from parallel_runner.model.job import JobSpec, job_key, terms_digest
from parallel_runner.runner.one_shot import base_terms
from parallel_runner.tools.bash import BashPayload
from parallel_runner.tools.python_call import PythonPayload
from parallel_runner.workflows.batch_file import load_batch_text

_SHIPPED = "parallel_runner.shipped:function"
"""Names a function that travels with the batch, as far as the rules of batch files are checked."""
_MOST_SHIPPED = 128 * 1024 * 1024
"""Bytes of a function, or of its arguments."""


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
        self._automatic: set[str] = set()
        self._names: set[str] = set()
        self._instead: dict[str, BashPayload | PythonPayload] = {}
        """Payloads that no text can carry, by the job's id."""
        self._functions: dict[bytes, bytes] = {}
        """By digest: each travels once, however many jobs call it."""
        self._calls: dict[str, bytes] = {}
        """The digest of the function that a job calls, by id."""

    def add(self, *, id: str | None = None, last: bool = False, **keys: Any) -> str:
        """Add a job by the keys that it would have in a batch file; returns its id, for `needs`.

        Args:
            id: its name; None: `job-N`, with a number that no other has.
            last: it runs when all others have ended, whatever became of them (`finally`).
            keys: one tool, as in `grep={"pattern": "TODO"}`, and what else the job has.

        Raises:
            DataError: a job that was added without an id has got this one.
        """
        if id is not None and id in self._automatic:
            raise DataError(
                f"id: {id!r} was given to a job that was added without one; add jobs with such ids first, or give "
                f"that one an id, too"
            )
        name = id if id is not None else self._free_name()
        self._names.add(name)
        (self._last if last else self._jobs).append({"id": name, **keys})
        return name

    def _free_name(self) -> str:
        number = len(self._jobs) + len(self._last) + 1
        while f"job-{number}" in self._names:
            number += 1
        self._automatic.add(f"job-{number}")
        return f"job-{number}"

    def bash(self, command: str | bytes | Sequence[str | bytes | os.PathLike[str]], **keys: Any) -> str:
        """Add a command: a line for bash, or a program with its arguments, which no shell reads.

        Names of files that are not UTF-8 can be given as bytes, or as Python itself gives them.
        """
        if isinstance(command, (str, bytes)):
            line = _bytes(command)
            fields: dict[str, Any] = {"command": _readable(line)}
            payload = BashPayload(command=line)
        else:
            words = tuple(_bytes(os.fspath(word)) for word in command)
            fields = {"argv": [_readable(word) for word in words]}
            payload = BashPayload(argv=words)
        if all(_is_text(word) for word in payload.argv or (payload.command,)):
            return self.add(bash=fields, **keys)
        return self._add_instead("bash", fields, payload, keys)

    def _add_instead(
        self, tool: str, fields: dict[str, Any], payload: BashPayload | PythonPayload, keys: dict[str, Any]
    ) -> str:
        if "foreach" in keys:
            raise DataError("foreach: can only fill in what is text; add a job for each instead")
        name = self.add(**{tool: fields, **keys})
        self._instead[name] = payload
        return name

    def call(
        self,
        function: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        **keys: Any,
    ) -> str:
        """Add a call of a function of this program, a lambda or a closure too, with arguments that dill carries.

        It runs in a process of its own; what it returns is the attempt's `value`, if it is what JSON can carry.

        Raises:
            DataError: the function, with what it closes over, or the arguments are beyond 128 MiB.
        """
        return self._add_call(function, self._ship(function), args, kwargs or {}, keys)

    def map(self, function: Callable[..., Any], values: Iterable[Any], **keys: Any) -> list[str]:
        """Add a call for each value; returns the ids."""
        digest = self._ship(function)
        return [self._add_call(function, digest, (value,), {}, keys) for value in values]

    def _ship(self, function: Callable[..., Any]) -> bytes:
        """Take a function along as it is now; returns its digest."""
        pickled = _pickled(function, "the function, with what it closes over,")
        digest = hashlib.blake2b(pickled, digest_size=16).digest()
        self._functions[digest] = pickled
        return digest

    def _add_call(
        self,
        function: Callable[..., Any],
        digest: bytes,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        keys: dict[str, Any],
    ) -> str:
        known_by = getattr(function, "__qualname__", type(function).__qualname__)
        arguments = _pickled((tuple(args), kwargs), "what the function is called with")
        payload = PythonPayload(call=known_by, arguments=arguments)
        name = self._add_instead("python", {"call": _SHIPPED}, payload, keys)
        self._calls[name] = digest
        return name

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
        return self._with_bytes(spec)

    def _with_bytes(self, spec: BatchSpec) -> BatchSpec:
        """The batch with what no text can carry in its place: commands in the jobs, functions in their terms."""
        terms = list(spec.header.terms)
        places: dict[tuple[int, bytes], int] = {}
        jobs = []
        for job in spec.jobs:
            payload = self._instead.get(job.name)
            if payload is None:
                jobs.append(job)
                continue
            place = job.terms
            if (digest := self._calls.get(job.name)) is not None:
                place = places.setdefault((job.terms, digest), len(terms))
                if place == len(terms):
                    terms.append(msgspec.structs.replace(terms[job.terms], shipped=self._functions[digest]))
            jobs.append(_with_payload(job, place, msgspec.msgpack.encode(payload), terms_digest(terms[place])))
        header = msgspec.structs.replace(spec.header, terms=tuple(terms))
        return msgspec.structs.replace(spec, header=header, jobs=jobs)


def _with_payload(job: JobSpec, terms: int, payload: bytes, digest: bytes) -> JobSpec:
    key = job_key(digest, payload + b"\0" + job.name.encode())
    return msgspec.structs.replace(job, terms=terms, payload=payload, key=key)


def _pickled(value: Any, what: str) -> bytes:
    import dill

    pickled: bytes = dill.dumps(value, recurse=True)
    if len(pickled) > _MOST_SHIPPED:
        raise DataError(f"{what} comes to {len(pickled)} bytes, of {_MOST_SHIPPED} allowed; hand it over in a file")
    return pickled


def _bytes(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise DataError(f"{text[:80]!r} is no text: {error.reason}; give bytes instead") from error


def _readable(word: bytes) -> str:
    """What stands for it while the batch is checked, which is done with text."""
    return word.decode("utf-8", "replace")


def _is_text(word: bytes) -> bool:
    return _readable(word).encode() == word
