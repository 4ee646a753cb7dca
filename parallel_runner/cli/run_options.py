"""The options of `run`: GNU parallel's names and meanings where it has them, ours beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import click

from parallel_runner.cli.options import home_option

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The command line of `run`, as it was given. Names are those of the options."""

    template: tuple[str, ...]
    arg_file: tuple[str, ...]
    null: bool
    delimiter: str | None
    eof: str | None
    colsep: str | None
    csv: bool
    header: str | None
    trim: str | None
    no_run_if_empty: bool
    link: bool
    shuf: bool
    unique: bool
    wanted: str | None
    arg_sep: str
    arg_file_sep: str
    max_args: int | None
    max_replace_args: int | None
    max_lines: int | None
    context_replace: bool
    many: bool
    xargs: bool
    max_chars: int | None
    replace: str
    extensionreplace: str | None
    basenamereplace: str | None
    dirnamereplace: str | None
    basenameextensionreplace: str | None
    seqreplace: str | None
    slotreplace: str | None
    plus: bool
    quote: bool
    shell: str
    pipe: bool
    block: str | None
    recstart: str | None
    recend: str | None
    regexp: bool
    remove_rec_sep: bool
    jobs: str | None
    delay: str | None
    load: str | None
    memfree: str | None
    nice: int | None
    timeout: str | None
    retries: int
    halt: str | None
    max_output: str | None
    memory: str | None
    leftovers: str | None
    workdir: str | None
    keep_order: bool
    tag: bool
    tagstring: str | None
    line_buffer: bool
    ungroup: bool
    group: bool
    verbose_command: bool
    dry_run: bool
    as_json: bool
    results: str | None
    joblog: str | None
    resume: str | None
    resume_failed: bool
    bar: bool
    eta: bool
    progress: bool
    total_jobs: int | None
    verbose: int
    quiet: bool
    plan: bool
    batch_file: str | None
    home: str | None


class Sectioned(click.Option):
    """An option that knows under which heading of the help it stands."""

    def __init__(self, *args: Any, section: str = "", **kwargs: Any) -> None:
        self.section = section
        super().__init__(*args, **kwargs)


def _option(section: str, *names: str, **kwargs: Any) -> Callable[[F], F]:
    return click.option(*names, cls=Sectioned, section=section, **kwargs)


INPUT, COMMAND, PIPE = "Input", "Command", "Streams cut into jobs"
RUNNING, LIMITS, OUTPUT = "How it runs", "Limits and failures", "Output"
RECORDS, SHOWN, OTHERS = "Records and going on", "What is shown", "Others"

_SPELLINGS = {
    "{.}": ("--er", "--extensionreplace"),
    "{/}": ("--bnr", "--basenamereplace"),
    "{//}": ("--dnr", "--dirnamereplace"),
    "{/.}": ("--bner", "--basenameextensionreplace"),
    "{#}": ("--seqreplace",),
    "{%}": ("--slotreplace",),
}
_OPTIONS: list[Callable[[F], F]] = [
    _option(
        INPUT, "-a", "--arg-file", multiple=True, metavar="FILE", help="Values from a file; `-`: stdin. Repeatable."
    ),
    _option(INPUT, "-0", "--null", is_flag=True, help="Records end with NUL, not with a newline."),
    _option(INPUT, "-d", "--delimiter", metavar="TEXT", help=r"Records end with TEXT; knows \t \n \r \0 and \NNN."),
    _option(INPUT, "-E", "-e", "--eof", metavar="TEXT", help="A record equal to TEXT ends the input."),
    _option(INPUT, "-C", "--colsep", metavar="REGEX", help="Each record is cut into columns: {1}, {2}, …"),
    _option(INPUT, "--csv", is_flag=True, help="Columns as CSV has them, quoted fields with newlines included."),
    _option(
        INPUT,
        "--header",
        metavar=":|N|0",
        help="The first record names the columns: {name}. 0: as the files are called.",
    ),
    _option(
        INPUT,
        "--trim",
        type=click.Choice(["n", "l", "r", "lr", "rl"]),
        help="Cut blanks off values. With --colsep: lr.",
    ),
    _option(INPUT, "-r", "--no-run-if-empty", is_flag=True, help="Skip empty values."),
    _option(
        INPUT, "--link", "--xapply", is_flag=True, help="Sources side by side, shorter ones from their start again."
    ),
    _option(INPUT, "--shuf", is_flag=True, help="In random order."),
    _option(INPUT, "--unique", is_flag=True, help="Equal rows only once."),
    _option(
        INPUT,
        "--filter",
        "wanted",
        metavar="CONDITION",
        help="Only rows for which it holds: '{1} < {2}', '{x} ne \"a\"'.",
    ),
    _option(INPUT, "--arg-sep", default=":::", metavar="TEXT", help="Instead of `:::`."),
    _option(INPUT, "--arg-file-sep", default="::::", metavar="TEXT", help="Instead of `::::`."),
    _option(COMMAND, "-n", "--max-args", type=click.IntRange(0), metavar="N", help="N rows in one job."),
    _option(
        COMMAND,
        "-N",
        "--max-replace-args",
        type=click.IntRange(0),
        metavar="N",
        help="The same; 0: a job per row, without its values.",
    ),
    _option(
        COMMAND,
        "-L",
        "-l",
        "--max-lines",
        type=click.IntRange(1),
        metavar="N",
        help="N lines in one job; a blank at the end joins a line with the next.",
    ),
    _option(
        COMMAND,
        "-X",
        "context_replace",
        is_flag=True,
        help="As many rows in a job as fit; words with {} are repeated.",
    ),
    _option(COMMAND, "-m", "many", is_flag=True, help="As many rows in a job as fit; {} stands for all of them."),
    _option(COMMAND, "--xargs", is_flag=True, help="As -m, without sharing the last rows among the slots."),
    _option(
        COMMAND,
        "-s",
        "--max-chars",
        type=click.IntRange(2),
        metavar="N",
        help="Command lines of fewer characters than N.",
    ),
    _option(COMMAND, "-I", "-i", "--replace", default="{}", metavar="TEXT", help="Instead of `{}`."),
    *(
        _option(COMMAND, *names, names[-1].strip("-"), metavar="TEXT", help=f"Instead of `{placeholder}`.")
        for placeholder, names in _SPELLINGS.items()
    ),
    _option(COMMAND, "--plus", is_flag=True, help="Further placeholders: {..} {...} {+/} {+.} {+..} {##} …"),
    _option(COMMAND, "--quote", is_flag=True, help="Words of the template are words; no shell reads them."),
    _option(
        COMMAND, "--shell", type=click.Choice(["bash", "sh"]), default="bash", help="Who reads the command lines."
    ),
    _option(
        COMMAND, "--wd", "--workdir", "workdir", metavar="DIR", help="Where the jobs run; made if it is not there."
    ),
    _option(PIPE, "--pipe", "--spreadstdin", is_flag=True, help="Cut stdin into blocks; each is a job's stdin."),
    _option(
        PIPE,
        "--blocksize",
        "--block-size",
        "--block",
        "block",
        metavar="SIZE",
        help="Bytes of a block, about. Default: 1M.",
    ),
    _option(PIPE, "--recend", metavar="TEXT", help=r"Records end with TEXT. Default: \n."),
    _option(PIPE, "--recstart", metavar="TEXT", help="Records start with TEXT."),
    _option(PIPE, "--regexp", is_flag=True, help="--recend and --recstart are regular expressions."),
    _option(
        PIPE, "--rrs", "--remove-rec-sep", "remove_rec_sep", is_flag=True, help="Take what separates records away."
    ),
    _option(
        RUNNING,
        "-j",
        "-P",
        "--jobs",
        "--max-procs",
        "jobs",
        metavar="N",
        help="Jobs at once: N, +N, -N, N%, 0 = as many as allowed, or a file that says so. Default: CPUs.",
    ),
    _option(
        RUNNING,
        "--delay",
        metavar="S[auto]",
        help="Seconds between two starts; auto: more after failures, less after successes.",
    ),
    _option(
        RUNNING,
        "--load",
        metavar="N|N%",
        help="Start only while fewer processes than N (N% of the CPUs) want to run.",
    ),
    _option(RUNNING, "--memfree", metavar="SIZE", help="Start only while that much memory is available."),
    _option(RUNNING, "--nice", type=click.IntRange(-20, 19), help="Niceness of the jobs."),
    _option(
        LIMITS,
        "--timeout",
        metavar="S|N%",
        help="Seconds after which a job is ended, with all it started; N%: of the median.",
    ),
    _option(
        LIMITS,
        "--retries",
        type=click.IntRange(0, 200),
        default=1,
        metavar="N",
        help="Attempts in all; 0: up to 255.",
    ),
    _option(
        LIMITS,
        "--halt",
        "--halt-on-error",
        "halt",
        metavar="WHEN",
        help="never, or now|soon,fail|success|done=N|N%.",
    ),
    _option(LIMITS, "--max-output", metavar="SIZE", help="Bytes kept of each stream of a job: 10M by default."),
    _option(
        LIMITS, "--memory", metavar="SIZE", help="Memory of a job's whole process tree; over it, the job is ended."
    ),
    _option(
        LIMITS,
        "--leftovers",
        type=click.Choice(["term", "keep", "kill"]),
        help="What becomes of processes that outlive a job.",
    ),
    _option(OUTPUT, "-k", "--keep-order", is_flag=True, help="Print outputs in the order of the input."),
    _option(OUTPUT, "--tag", is_flag=True, help="Each line of output behind the job's values and a tab."),
    _option(
        OUTPUT,
        "--tagstring",
        metavar="TEXT",
        help="Each line of output behind TEXT, which may have placeholders, and a tab.",
    ),
    _option(
        OUTPUT,
        "--lb",
        "--line-buffer",
        "--linebuffer",
        "line_buffer",
        is_flag=True,
        help="Print whole lines while jobs run.",
    ),
    _option(OUTPUT, "-u", "--ungroup", is_flag=True, help="Print output as it comes, unsorted."),
    _option(OUTPUT, "--group", is_flag=True, help="Print output when a job has ended, whole (default)."),
    _option(
        OUTPUT,
        "-t",
        "--verbose",
        "verbose_command",
        is_flag=True,
        help="Print each command on stderr when it starts.",
    ),
    _option(OUTPUT, "--dry-run", "--dryrun", is_flag=True, help="Print the commands; run nothing."),
    _option(OUTPUT, "--json", "as_json", is_flag=True, help="Print one JSON object per attempt."),
    _option(
        RECORDS,
        "--results",
        "--res",
        metavar="PATH",
        help="Also write results: DIR, or FILE.csv, .tsv, .json, .jsonl.",
    ),
    _option(
        RECORDS,
        "--joblog",
        metavar="FILE",
        help="Write GNU parallel's log, a line for each job; +FILE: go on with it.",
    ),
    _option(
        RECORDS,
        "--resume",
        metavar="[BATCH]",
        help="The input is given again: run only what has not ended. BATCH: which, as b17.",
    ),
    _option(RECORDS, "--resume-failed", is_flag=True, help="As --resume; what failed is run again as well."),
    _option(SHOWN, "--bar", is_flag=True, help="A progress bar, even where stderr is no terminal."),
    _option(SHOWN, "--eta", is_flag=True, help="A line on stderr each second, with the time that is left."),
    _option(SHOWN, "--progress", is_flag=True, help="A line on stderr each second."),
    _option(
        SHOWN,
        "--total-jobs",
        "--total",
        "total_jobs",
        type=click.IntRange(1),
        metavar="N",
        help="How many jobs to expect, for the time left and {##}.",
    ),
    _option(SHOWN, "-v", "verbose", count=True, help="Tell more: the pools while it runs; -vv: each attempt."),
    _option(SHOWN, "-q", "--quiet", is_flag=True, help="Say nothing when all is well."),
    _option(
        OTHERS,
        "--plan",
        is_flag=True,
        help="Show what would run, in which order, and how long it may take; run nothing.",
    ),
    _option(OTHERS, "-f", "--file", "batch_file", metavar="FILE", help="Run a batch file (YAML, JSON or JSONL)."),
    home_option,
]

_ACCEPTED = "Accepted for scripts that were written for GNU parallel; has no effect."
_NO_EFFECT = ("--will-cite", "--gnu", "--no-notice", "--plain", "--silent")
_NO_EFFECT_VALUED = ("--env", "--tmpdir", "--tempdir")


def run_options(command: F) -> F:
    """All options of `run` on a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    for name in _NO_EFFECT:
        command = click.option(name, is_flag=True, hidden=True, expose_value=False, help=_ACCEPTED)(command)
    for name in _NO_EFFECT_VALUED:
        command = click.option(name, hidden=True, multiple=True, expose_value=False, help=_ACCEPTED)(command)
    return command


def gathered(params: dict[str, Any]) -> RunOptions:
    """The values that click read."""
    return RunOptions(**{one.name: params[one.name] for one in fields(RunOptions)})


class WithSections(click.Command):
    """A command whose help has its options under headings, the others last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "section", "") or OTHERS, []).append(record)
        sections[OTHERS] = sections.pop(OTHERS)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)
