"""`run`: a batch from lines, from a template with arguments, or from a batch file."""

from __future__ import annotations

import math
import os
import re

import click
import msgspec
from click.core import ParameterSource

from parallel_runner.cli.dry_run import print_commands
from parallel_runner.cli.options import current_directory, job_count, the_home
from parallel_runner.cli.resume_option import LATEST, WithResume
from parallel_runner.cli.run_inputs import new_batch, presentation
from parallel_runner.cli.run_options import COMMAND, INPUT, PIPE, RunOptions, gathered, run_options
from parallel_runner.errors import UsageError
from parallel_runner.ids import MAX_ATTEMPTS, parse_name
from parallel_runner.model.lifecycle import State
from parallel_runner.model.terms import Terms
from parallel_runner.runner.concluding import View
from parallel_runner.runner.one_shot import NewBatch, base_terms, cpus, most_instances, run_new, run_resumed
from parallel_runner.runner.pacing import Conduct, WidthFile
from parallel_runner.scheduler.gates import Gates, parse_delay
from parallel_runner.scheduler.halting import parse_halt
from parallel_runner.settings.home import Home
from parallel_runner.settings.units import duration_of, parse_size

_FAILED = (State.FAILED, State.TIMED_OUT, State.CANCELLED, State.QUARANTINED, State.REJECTED)


@click.command(
    cls=WithResume, context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]}
)
@click.argument("template", nargs=-1, type=click.UNPROCESSED)
@run_options
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> int:
    """Run a batch.

    \b
    parallel-runner run < commands.txt              each line is a command
    parallel-runner run gzip -9 ::: *.log           a template and its arguments
    find . -print0 | parallel-runner run -0 md5sum  a template, arguments on stdin
    parallel-runner run echo {1} {2} ::: a b ::: 1 2    all combinations
    parallel-runner run -f nightly.yaml             a batch file
    parallel-runner run --resume b17 < commands.txt b17's input again: what has ended is not run again
    """
    options = gathered(ctx.params)
    home = the_home(options.home)
    base = base_terms(home)
    view = _view(options, home)
    if options.plan:
        _check_plan_options(options)
    if options.batch_file is not None:
        _check_batch_options(ctx, options)
        new = _from_file(options, _terms(options, base))
        return _run_new(options, home, new, view)
    if options.quote and not options.template:
        raise UsageError("--quote is about the words of a template; there is none")
    new = new_batch(options, _terms(options, base), view.conduct.want)
    if options.resume is None and not options.resume_failed:
        return _run_new(options, home, new, view)
    if options.dry_run:
        return print_commands(new, view.conduct.want)
    return run_resumed(home, new, _wanted(options), view, _FAILED if options.resume_failed else ())


def _run_new(options: RunOptions, home: Home, new: NewBatch, view: View) -> int:
    """Run a batch, or tell what would be run."""
    if options.plan:
        from parallel_runner.cli.plan import Shown, print_plan

        return print_plan(home, new, view.conduct, Shown(options.as_json, options.verbose > 0))
    return print_commands(new, view.conduct.want) if options.dry_run else run_new(home, new, view)


def _check_plan_options(options: RunOptions) -> None:
    if options.dry_run:
        raise UsageError("give --plan or --dry-run, not both")
    if options.resume is not None or options.resume_failed:
        raise UsageError("--plan is of a new batch, --resume goes on with one: give the one or the other")


def _wanted(options: RunOptions) -> int | None:
    """The batch that `--resume` names."""
    if options.resume in (None, LATEST):
        return None
    named = parse_name(options.resume or "")
    if named is None or named[1] is not None:
        raise UsageError(
            f"--resume {options.resume}: no batch is called so; they are called b1, b2, …: see `history`"
        )
    return named[0]


def _view(options: RunOptions, home: Home) -> View:
    if sum((options.line_buffer, options.ungroup, options.group)) > 1:
        raise UsageError("give one of --group, --line-buffer and --ungroup")
    live = "lines" if options.line_buffer else "bytes" if options.ungroup else ""
    return View(
        conduct=_conduct(options, home),
        keep_order=options.keep_order and not options.ungroup,
        live="" if options.as_json else live,
        json=options.as_json,
        quiet=options.quiet,
        verbose=options.verbose,
        meter="bar" if options.bar else "lines" if options.eta or options.progress else "",
    )


def _conduct(options: RunOptions, home: Home) -> Conduct:
    most, width = most_instances(home), None
    text = options.jobs
    if text is not None and not re.fullmatch(r"[+-]?\d+(\.\d+)?%?", text) and os.path.isfile(text):
        path = text
        width = WidthFile(path, lambda said: job_count(said, cpus(), most))
        text = str(width() or job_count(None, cpus(), most))
    delay, adaptive = parse_delay(options.delay) if options.delay else (0.0, False)
    return Conduct(
        want=job_count(text, cpus(), most),
        width=width,
        gates=Gates(delay, adaptive, _load(options.load), _bytes("--memfree", options.memfree)),
        halt=parse_halt(options.halt) if options.halt else None,
        timeout_percent=_timeout(options.timeout)[1],
        total=options.total_jobs,
        show_commands=options.verbose_command,
    )


def _load(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text)
    if match is None:
        raise UsageError(f"--load {text}: give a number of processes, or N% of the CPUs")
    return max(1.0, cpus() * float(match[1]) / 100) if match[2] else float(match[1])


def _bytes(name: str, text: str | None) -> int | None:
    return parse_size(text, name) if text else None


def _timeout(text: str | None) -> tuple[float | None, float | None]:
    """(seconds, percent of the median); one of them at the most."""
    if text is None:
        return None, None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)%", text):
        if not float(match[1]):
            raise UsageError("--timeout 0%: must be more than 0")
        return None, float(match[1])
    seconds = duration_of(text)
    if seconds is None or math.isnan(seconds):
        raise UsageError(f"--timeout {text}: give seconds, a time like 1m30s, or N% of the median")
    # GNU parallel's meaning: 0 is no limit.
    return seconds or None, None


def _terms(options: RunOptions, base: Terms) -> Terms:
    limits = msgspec.structs.replace(
        base.limits,
        timeout=_timeout(options.timeout)[0],
        max_output=_bytes("--max-output", options.max_output) or base.limits.max_output,
        memory=_bytes("--memory", options.memory),
    )
    return msgspec.structs.replace(
        base,
        cwd=_directory(options),
        limits=limits,
        retry=msgspec.structs.replace(base.retry, max=(options.retries or MAX_ATTEMPTS) - 1),
        leftovers=options.leftovers or base.leftovers,
        nice=options.nice,
    )


def _directory(options: RunOptions) -> bytes:
    here = current_directory()
    if options.workdir is None:
        return here
    if re.search(r"\{[^{}\s]*\}", options.workdir):
        raise UsageError(f"--workdir {options.workdir}: a batch has one directory; placeholders are for commands")
    path = os.path.join(here, os.fsencode(options.workdir))
    try:
        if not (options.dry_run or options.plan):
            os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--workdir {options.workdir}: {error.strerror}") from error
    return os.path.normpath(path)


def _check_batch_options(ctx: click.Context, options: RunOptions) -> None:
    """Options that say what the jobs are have no place beside a batch file, which says that itself."""
    if options.template:
        raise UsageError("give a batch file or a template, not both")
    if options.resume is not None or options.resume_failed:
        raise UsageError("--resume is for input; a batch file is all in the journal: parallel-runner resume")
    for param in ctx.command.params:
        given = param.name is not None and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
        if given and getattr(param, "section", "") in (INPUT, COMMAND, PIPE):
            raise UsageError(f"{param.opts[-1]} is for input and templates; a batch file has its own keys")


def _from_file(options: RunOptions, base: Terms) -> NewBatch:
    from parallel_runner.workflows.batch_file import load_batch_file

    assert options.batch_file is not None
    spec = load_batch_file(options.batch_file, cwd=current_directory(), base=base)
    header = msgspec.structs.replace(spec.header, results=presentation(options).packed())
    return NewBatch(header=header, command=f"run -f {options.batch_file}", jobs=spec.jobs)
