"""`run`: a batch from lines, from a template with arguments, or from a batch file."""

from __future__ import annotations

import itertools
import os
import shlex
import sys
from collections.abc import Iterable, Sequence

import click
import msgspec

from parallel_runner.cli.options import current_directory, home_option, job_count, the_home
from parallel_runner.cli.resume_option import FLAG, LATEST, WithResume
from parallel_runner.errors import UsageError
from parallel_runner.ids import parse_name
from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import JobSpec, terms_digest
from parallel_runner.model.terms import Terms
from parallel_runner.runner.one_shot import NewBatch, View, base_terms, cpus, most_instances, run_new, run_resumed
from parallel_runner.settings.units import parse_size
from parallel_runner.workflows.template import SpecMaker


@click.command(cls=WithResume, context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.argument("template", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-j", "--jobs", metavar="N", help="Jobs at once: N, +N, -N, N%, 0 = as many as allowed. Default: CPUs."
)
@click.option("-k", "--keep-order", is_flag=True, help="Print outputs in the order of the input.")
@click.option("-0", "--null", is_flag=True, help="Input is separated by NUL, not by newline.")
@click.option("--timeout", type=float, metavar="S", help="Seconds after which a job is ended, with all it started.")
@click.option("--retries", type=click.IntRange(0, 200), default=0, metavar="N", help="Attempts after a failed one.")
@click.option("--max-output", metavar="SIZE", help="Bytes kept of each stream of a job: 10M by default.")
@click.option("--memory", metavar="SIZE", help="Memory of a job's whole process tree; over it, the job is ended.")
@click.option("--leftovers", type=click.Choice(["term", "keep", "kill"]), help="What outlives a job.")
@click.option("--shell", type=click.Choice(["bash", "sh"]), default="bash", help="Who reads the command lines.")
@click.option("--nice", type=click.IntRange(-20, 19), help="Niceness of the jobs.")
@click.option("--results", metavar="PATH", help="Also write results: DIR/SEQ/{stdout,stderr}, or FILE.jsonl.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per attempt.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing when all is well.")
@click.option(
    FLAG, metavar="[BATCH]", help="The input is given again: run only what has not ended. BATCH: which, as b17."
)
@click.option("-f", "--file", "batch_file", metavar="FILE", help="Run a batch file (YAML, JSON or JSONL).")
@home_option
def command(
    template: tuple[str, ...],
    jobs: str | None,
    keep_order: bool,
    null: bool,
    timeout: float | None,
    retries: int,
    max_output: str | None,
    memory: str | None,
    leftovers: str | None,
    shell: str,
    nice: int | None,
    results: str | None,
    as_json: bool,
    quiet: bool,
    resume: str | None,
    batch_file: str | None,
    home: str | None,
) -> int:
    """Run a batch.

    \b
    parallel-runner run < commands.txt              each line is a command
    parallel-runner run gzip -9 ::: *.log           a template and its arguments
    find . -print0 | parallel-runner run -0 md5sum  a template, arguments on stdin
    parallel-runner run --resume b17 < commands.txt b17's input again: what has ended is not run again
    """
    from parallel_runner.runner.results import open_results

    view = View(
        jobs=job_count(jobs, cpus(), most_instances(the_home(home))),
        keep_order=keep_order,
        json=as_json,
        quiet=quiet,
        watchers=tuple(open_results(results)) if results else (),
    )
    base = base_terms(the_home(home))
    if batch_file is not None:
        if template:
            raise UsageError("give a batch file or a template, not both")
        if resume is not None:
            raise UsageError("--resume is for input; a batch file is all in the journal: parallel-runner resume")
        return run_new(the_home(home), _from_file(batch_file, base), view)
    if timeout is not None and timeout <= 0:
        raise UsageError(f"--timeout {timeout:g}: must be more than 0 seconds")
    limits = msgspec.structs.replace(
        base.limits,
        timeout=timeout,
        max_output=parse_size(max_output, "--max-output") if max_output else base.limits.max_output,
        memory=parse_size(memory, "--memory") if memory else None,
    )
    terms = msgspec.structs.replace(
        base,
        cwd=current_directory(),
        limits=limits,
        retry=msgspec.structs.replace(base.retry, max=retries),
        leftovers=leftovers or base.leftovers,
        nice=nice,
    )
    if resume is None:
        return run_new(the_home(home), _from_arguments(template, terms, shell, null, results or ""), view)
    named = None if resume == LATEST else parse_name(resume)
    if resume != LATEST and (named is None or named[1] is not None):
        raise UsageError(f"--resume {resume}: no batch is called so; they are called b1, b2, …: see `history`")
    new = _from_arguments(template, terms, shell, null, results or "")
    return run_resumed(the_home(home), new, named[0] if named else None, view)


def _from_arguments(template: Sequence[str], terms: Terms, shell: str, null: bool, results: str) -> NewBatch:
    words, sources = _split(template)
    maker = SpecMaker(words, max(1, len(sources)), shell, terms_digest(terms))
    header = BatchHeader(
        cwd=terms.cwd, identity=b"\0".join([shell.encode(), *words]), results=results, terms=(terms,)
    )
    told = shlex.join(["parallel-runner", *sys.argv[1:]])[:2000].encode("utf-8", "backslashreplace").decode()
    if sources:
        return NewBatch(header=header, command=told, jobs=_product(maker, sources))
    if os.isatty(0):
        print("parallel-runner: reading from the terminal; end with Ctrl-D", file=sys.stderr)  # noqa: T201
    separator = b"\0" if null else b"\n"
    return NewBatch(header=header, command=told, source=(0, separator), make=maker.records)


def _split(template: Sequence[str]) -> tuple[list[bytes], list[list[bytes]]]:
    """The template's words, and the lists of arguments after each `:::`."""
    parts: list[list[bytes]] = [[]]
    for word in template:
        if word == ":::":
            parts.append([])
        else:
            parts[-1].append(os.fsencode(word))
    return parts[0], parts[1:]


def _product(maker: SpecMaker, sources: Sequence[Sequence[bytes]]) -> Iterable[JobSpec]:
    values = itertools.product(*sources)
    while chunk := list(itertools.islice(values, 1000)):
        yield from maker.jobs(chunk)


def _from_file(path: str, base: Terms) -> NewBatch:
    from parallel_runner.workflows.batch_file import load_batch_file

    spec = load_batch_file(path, cwd=current_directory(), base=base)
    return NewBatch(header=spec.header, command=f"run -f {path}", jobs=spec.jobs)
