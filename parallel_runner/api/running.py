"""A batch that runs, as its caller sees it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from types import TracebackType

import msgspec

from parallel_runner.api.attempt import Attempt
from parallel_runner.api.request import End, Request, encode
from parallel_runner.errors import EXIT_STATE, InternalError, ParallelRunnerError

PATIENCE = 15.0
"""Seconds that a run which is given up has for ending its jobs."""
_ASKED = 3
"""Times that it is asked within it."""
_HOST = "parallel_runner.api.host"
_decode = msgspec.json.Decoder(Attempt | End).decode


class RunError(ParallelRunnerError):
    """A batch could not be run to its end; `exit_code` is what the command line would have ended with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Run:
    """Iterate over it: each attempt comes as it ends. Use as a context manager, or iterate to the end."""

    def __init__(self, request: Request) -> None:
        """Start running.

        Raises:
            InternalError: the process that runs it could not be started.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", _HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True
        )
        assert self._process.stdin is not None
        try:
            # It answers only after it has read all of it: neither waits for the other.
            with self._process.stdin as stdin:
                stdin.write(encode(request))
        except BrokenPipeError as error:
            self.close()
            raise InternalError("the process that runs the batch ended before it was told what to do") from error
        self.exit_code: int | None = None
        """0, or how many jobs failed, as of the command line; None until all has been iterated over."""

    def __iter__(self) -> Iterator[Attempt]:
        """Each attempt, as it ends; of a job with retries the last one is `final`.

        Raises:
            RunError: the run could not begin, or not go on.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = _decode(line)
            if isinstance(told, Attempt):
                yield told
                continue
            self.exit_code = told.exit_code
            self.close()
            if told.error:
                raise RunError(told.error, told.exit_code)
            return
        if self.exit_code is None:
            self.close()
            raise RunError(
                "the process that runs the batch was lost; `parallel-runner resume` goes on with it", EXIT_STATE
            )

    def results(self) -> list[Attempt]:
        """The attempts that no other follows, in the order of the jobs, once all have ended."""
        return sorted((one for one in self if one.final), key=lambda one: one.seq)

    def cancel(self) -> None:
        """Start nothing new and end what runs; iterate on for the ends."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End the run, if it has not ended."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        for _ in range(_ASKED):
            if self.exit_code is None:
                self.cancel()
            try:
                self._process.wait(PATIENCE / _ASKED)
            except subprocess.TimeoutExpired:
                continue
            return
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
