"""The process that runs a caller's batch, with a request on stdin, which stays open as its lifeline.

A process of its own, since workers are forked, and whoever calls may have threads, signal handlers and gigabytes of
memory that no worker should inherit. It trusts its stdin: that is how functions are shipped, and nothing else is.
"""

from __future__ import annotations

import os
import signal

import msgspec

from parallel_runner.api.request import End, Request, read_request
from parallel_runner.cli.options import job_count, the_home
from parallel_runner.descriptors import write_all
from parallel_runner.errors import EXIT_INTERNAL, EXIT_USAGE, ParallelRunnerError
from parallel_runner.runner.concluding import View
from parallel_runner.runner.one_shot import NewBatch, base_terms, cpus, most_instances, run_new
from parallel_runner.runner.pacing import Conduct


def main() -> None:
    """Run the batch; a line of JSON per attempt goes to stdout, and an `End` after the last."""
    # The run listens to these itself; before and after it they must not cost the last word.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _not_now)
    # The thread that called may have kept signals to others of its program: here is no other.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    lifeline = _take_stdin()
    request = read_request(lifeline)
    if request is not None:
        _last_word(msgspec.json.encode(_run(request, lifeline)) + b"\n")
    os._exit(0)


def _take_stdin() -> int:
    """A descriptor of what is stdin now; whatever reads stdin from here on finds nothing there."""
    lifeline = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    return lifeline


def _run(request: Request, lifeline: int) -> End:
    said: list[str] = []
    try:
        home = the_home(request.home)
        base_terms(home)  # A wrong configuration is told before anything starts.
        slots = job_count(request.slots, cpus(), most_instances(home))
        view = View(conduct=Conduct(slots, lifeline=lifeline), json=True, quiet=True, stderr=said.append)
        code = run_new(home, NewBatch(header=request.header, command="Python", jobs=request.jobs), view)
        failed = EXIT_USAGE <= code <= EXIT_INTERNAL
        return End(exit_code=code, error="\n".join(said) if failed else "")
    except ParallelRunnerError as error:
        return End(exit_code=error.exit_code, error=str(error))
    except Exception as error:  # noqa: BLE001 - the boundary of the process: its caller is told whatever it was
        return End(exit_code=EXIT_INTERNAL, error=f"internal error: {error!r}")


def _not_now(number: int, frame: object) -> None:
    """A request to end that comes before the run can end, or after it has; whoever insists asks again."""


def _last_word(line: bytes) -> None:
    try:
        write_all(1, line)
    except OSError:
        return  # Nobody reads any more.
