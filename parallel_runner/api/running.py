"""A batch that runs, as its caller sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import IO

import msgspec

from parallel_runner.api.attempt import Attempt
from parallel_runner.api.request import End, Request, write_request
from parallel_runner.errors import EXIT_STATE, InternalError, ParallelRunnerError

PATIENCE = 30.0
"""Seconds that a run which is given up has for ending its jobs, and for those that come last."""
_HURRY = 10.0
"""Seconds that it has when all of it is to end at once."""
_HOST = "import sys; sys.path[:] = sys.argv[1:]; from parallel_runner.api.host import main; main()"
"""It finds modules where the caller does, before it has imported any: never first in the current directory."""
_decode = msgspec.json.Decoder(Attempt | End).decode
_ending: list[subprocess.Popen[bytes]] = []
"""Of runs that nobody holds any more; they end by themselves, and are looked after when the next one starts."""


class RunError(ParallelRunnerError):
    """A batch could not be run to its end; `exit_code` is what the command line would have ended with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Run:
    """Iterate over it: each attempt comes as it ends. Use as a context manager, or iterate to the end.

    When nobody holds it any more, or the program ends, however it does, the jobs are ended as by `cancel`.
    """

    def __init__(self, request: Request) -> None:
        """Start running.

        Raises:
            InternalError: the process that runs it could not be started.
        """
        self.exit_code: int | None = None
        """0, or how many jobs failed, as of the command line; None until all has been iterated over."""
        self._asked = False
        _ending[:] = [process for process in _ending if process.poll() is None]
        # A session of its own: Ctrl-C at a terminal is the caller's, who asks for the end once, and not twice.
        self._process = subprocess.Popen(
            [sys.executable, "-c", _HOST, *_path()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._lifeline: IO[bytes] = self._process.stdin
        # Buffered by ourselves: what is written must be unbuffered.
        self._answers = open(self._process.stdout.fileno(), "rb", closefd=False)  # noqa: SIM115 - closed in `close`
        self._dropped = weakref.finalize(self, _drop, self._process, os.getpid())
        try:
            # It answers only after it has read all of it: neither waits for the other.
            write_request(self._lifeline.fileno(), request)
        except BaseException as error:
            self.close()
            if isinstance(error, BrokenPipeError):
                raise InternalError("the process that runs the batch ended before it knew what to do") from error
            raise

    def __iter__(self) -> Iterator[Attempt]:
        """Each attempt, as it ends; of a job with retries the last one is `final`. Each comes only once.

        Raises:
            RunError: the run could not begin, or not go on.
        """
        while not self._answers.closed:
            line = self._answers.readline()
            if not line.endswith(b"\n"):
                self.close()
                raise RunError(
                    "the process that runs the batch was lost; `parallel-runner resume` goes on with it", EXIT_STATE
                )
            told = _decode(line)
            if isinstance(told, Attempt):
                yield told
                continue
            self.exit_code = told.exit_code
            self.close()
            if told.error:
                raise RunError(told.error, told.exit_code)

    def results(self) -> list[Attempt]:
        """The attempts that no other follows, in the order of the jobs, once all have ended."""
        return sorted((one for one in self if one.final), key=lambda one: one.seq)

    def cancel(self) -> None:
        """Start nothing new and end what runs, except the jobs that come last; iterate on for the ends.

        To call it again changes nothing.
        """
        if self._asked or self._lifeline.closed or self._process.poll() is not None:
            return
        self._asked = True
        try:
            self._lifeline.write(b".")
        except BrokenPipeError:
            return  # It has ended.

    def close(self) -> None:
        """End the run, if it has not ended, and wait for that; what takes too long is ended at once."""
        if self.exit_code is None:
            self.cancel()
        self._answers.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._insist()
        except BaseException:
            # Whoever waits here does not want to: Ctrl-C once more.
            self._insist()
            raise
        self._dropped.detach()
        self._lifeline.close()

    def _insist(self) -> None:
        self._lifeline.close()
        try:
            self._process.wait(_HURRY)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _path() -> list[str]:
    """Where the caller finds modules: functions travel by name where they stand in one."""
    return [os.path.abspath(path) for path in sys.path if isinstance(path, str)]


def _drop(process: subprocess.Popen[bytes], owner: int) -> None:
    """Nobody holds the run any more: closing the pipe asks for its end."""
    if os.getpid() != owner:
        return  # A forked child has dropped its copy.
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    if process.poll() is None:
        _ending.append(process)
