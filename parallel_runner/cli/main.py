"""The `parallel-runner` command: a group whose verbs are imported only when they are called."""

from __future__ import annotations

import difflib
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from parallel_runner.errors import EXIT_INTERNAL, EXIT_STATE, EXIT_USAGE, ParallelRunnerError
from parallel_runner.version import __version__

_WIDEST = 4000
"""Columns of a line of a message."""
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VERBS: dict[str, str] = {
    "run": "Run a batch: lines on stdin, a template with arguments, or a batch file.",
    "resume": "Go on with a batch that was interrupted.",
    "retry": "Run the failed jobs of a batch again.",
    "cancel": "End jobs or whole batches.",
    "why": "Tell why a job is where it is, and what to type next.",
    "ps": "Show what runs now.",
    "history": "List batches.",
    "results": "Print the attempts of a batch as JSON lines.",
    "logs": "Print what a job, or a whole batch, wrote.",
    "completions": "Print a completion script for bash, zsh or fish.",
    "prune": "Remove old history.",
    "config": "Show, explain or describe the configuration.",
    "deploy": "Make a home, check the machine, run a sample batch.",
}
"""Each verb is a module of the same name in this package, with a click command called `command`."""


class NobodyReadsError(Exception):
    """The output's reader is gone."""


class Verbs(click.Group):
    """Loads a verb's module when the verb is called: `--help` need not import the whole program."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, or None."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"parallel_runner.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, which would end by itself, with 1, where nobody reads any more."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise NobodyReadsError from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verb in the message."""
        if args and args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            ctx.fail(f"no such verb: {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs that begin so, without importing one of them, and our own options."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(verb, help=told) for verb, told in VERBS.items() if verb.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of verbs, without importing one of them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="parallel-runner")
def cli() -> None:
    """Run big batches of mixed tool work on one machine, journalled and contained."""


def call(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Every error becomes lines on stderr, never a traceback."""
    try:
        result: Any = cli.main(list(arguments), prog_name="parallel-runner", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        _write(said.getvalue(), "")
        return EXIT_USAGE
    except ParallelRunnerError as error:
        tell(str(error))
        return error.exit_code
    except (NobodyReadsError, BrokenPipeError):
        return 141
    except SystemExit as leave:
        # So click ends when it has completed a word for a shell.
        return leave.code if isinstance(leave.code, int) else 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None:
            tell(f"the output cannot be written: {error.strerror}")
            return EXIT_STATE
        if os.environ.get("PARALLEL_RUNNER_TRACEBACK"):
            raise
        tell(f"internal error: {error!r} (a fault of ours; PARALLEL_RUNNER_TRACEBACK=1 shows where)")
        return EXIT_INTERNAL
    return result if isinstance(result, int) else 0


def tell(message: str) -> None:
    """One message on stderr, each line marked as ours; quiet when stderr is gone."""
    _write(message, "parallel-runner: ")


def _write(message: str, mark: str) -> None:
    """Lines on stderr. They may quote what others wrote: keys of a file, names of files, a command line."""
    from parallel_runner.reports.plain import one_line

    try:
        for line in message.rstrip("\n").split("\n"):
            sys.stderr.write(f"{mark}{one_line(line, _WIDEST)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def main() -> None:
    """The entry point. Ends by `os._exit` once all is flushed: teardown costs 10 ms and can only harm."""
    fill_closed()
    code = call(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or 141
        except (OSError, ValueError):
            code = code or EXIT_STATE
    os._exit(code)


def fill_closed() -> None:
    """Put something on the first three descriptors where they are closed.

    Else the next file that is opened, a journal say, becomes stdout. `sys.stdin` stays None: whoever wants to read
    it must be told that it is closed, not that it is empty.
    """
    for fd, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None and os.open(os.devnull, os.O_RDWR) != fd:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    # Not to be closed by whoever forgets them: the descriptors stay for life.
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
