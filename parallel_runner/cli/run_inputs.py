"""From the command line of `run` to a batch that is about to be made: sources, rows, template."""

from __future__ import annotations

import os
import random
import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from parallel_runner.cli.run_options import RunOptions
from parallel_runner.errors import InputUnreadableError, UsageError
from parallel_runner.model.batch import BatchHeader, Presentation
from parallel_runner.model.job import terms_digest
from parallel_runner.model.terms import Terms
from parallel_runner.runner.one_shot import NewBatch
from parallel_runner.settings.units import parse_size
from parallel_runner.workflows.conditions import parse_condition
from parallel_runner.workflows.grouping import MOST_CHARS, Grouping
from parallel_runner.workflows.job_maker import JobMaker, Recipe
from parallel_runner.workflows.rows import Format, RowReader
from parallel_runner.workflows.sources import Source, open_source, peel_names, read_all, split_words
from parallel_runner.workflows.stream_blocks import BlockMaker, Blocks
from parallel_runner.workflows.template import Template

_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"0": b"\0"}
_TOLD = 2000
"""Characters of a command line that history keeps."""


def unescaped(text: str) -> bytes:
    r"""The bytes of a delimiter: `\t \n \r \0` and octal `\NNN` are understood."""

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is not None:
            return bytes([int(match[1], 8) & 0xFF])
        return _ESCAPES.get(match[2], match[0])

    return _ESCAPE.sub(byte, os.fsencode(text))


def new_batch(options: RunOptions, terms: Terms, slots: int) -> NewBatch:
    """The batch that a command line asks for.

    Args:
        options: the command line.
        terms: those of its jobs.
        slots: jobs at once, for `-X` and `-m`.

    Raises:
        UsageError, InputUnreadableError, DataError: it cannot be made.
    """
    words, sources = split_words(
        [os.fsencode(word) for word in options.template],
        os.fsencode(options.arg_sep),
        os.fsencode(options.arg_file_sep),
    )
    sources = [Source(path=os.fsencode(path)) for path in options.arg_file] + sources
    form = _format(options)
    recipe = _recipe(options, words, terms, slots)
    header = BatchHeader(
        cwd=terms.cwd,
        identity=b"\0".join([options.shell.encode(), *words]),
        results=presentation(options, recipe).packed(),
        terms=(terms,),
    )
    told = shlex.join(["parallel-runner", *sys.argv[1:]])[:_TOLD].encode("utf-8", "backslashreplace").decode()
    new = NewBatch(header=header, command=told)
    if options.pipe:
        return _of_a_stream(options, sources, recipe, new)
    if len(sources) > 1 or _wants_all(options) or (sources and sources[0].values is not None):
        return _of_all(options, sources or [Source(path=b"-")], form, recipe, new)
    path = sources[0].path if sources else b"-"
    _check_stdin(path)
    if path == b"-" and os.isatty(0):
        print("parallel-runner: reading from the terminal; end with Ctrl-D", file=sys.stderr)  # noqa: T201
    fd, begun = open_source(path), b""
    names: tuple[bytes, ...] = (path,) if options.header == "0" else ()
    if form.header:
        names, begun = peel_names(fd, form)
        form = replace(form, header=0)
    maker = JobMaker(replace(recipe, names=names), RowReader(form))
    header = _with_columns(new.header, names, recipe.sources)
    return replace(new, header=header, source=(fd, form.separator), make=maker, begun=begun)


def _check_stdin(path: bytes) -> None:
    if path == b"-" and sys.stdin is None:
        raise InputUnreadableError("stdin is closed; give it an input, or values after `:::` or with -a")


def _format(options: RunOptions) -> Format:
    if options.null and options.delimiter is not None:
        raise UsageError("give -0 or -d, not both")
    separator = b"\0" if options.null else unescaped(options.delimiter) if options.delimiter else b"\n"
    if options.pipe and not options.template:
        raise UsageError("--pipe gives its blocks to a command; there is none")
    if options.delimiter == "":
        raise UsageError("-d: the delimiter is empty")
    columns = None
    if options.colsep is not None:
        columns = _regex("--colsep", re.escape(options.colsep) if options.csv else options.colsep)
    elif options.header is not None and options.header != "0" and not options.csv:
        columns = re.compile(rb"\t")
    if options.csv and options.colsep is not None and len(unescaped(options.colsep)) != 1:
        raise UsageError("--colsep: with --csv, columns are separated by one character")
    if options.header is not None and not re.fullmatch(r":|\d+", options.header):
        raise UsageError(
            f"--header {options.header}: give `:` for names in the first record, or 0 for names of files"
        )
    return Format(
        separator=separator,
        eof=os.fsencode(options.eof) if options.eof else None,
        trim=options.trim or ("lr" if options.colsep is not None and not options.csv else "n"),
        columns=columns,
        csv=options.csv,
        # GNU parallel takes one record, whatever the number.
        header=int(options.header not in (None, "0")),
        skip_empty=options.no_run_if_empty,
        joins_lines=options.max_lines is not None,
    )


def _regex(name: str, text: str) -> re.Pattern[bytes]:
    if "[[:" in text:
        raise UsageError(f"{name} {text}: classes like [[:digit:]] are not known; write \\d, \\s, [a-z]")
    # Flags for the whole of it go with it wherever it is put.
    if match := re.match(r"\(\?([aimsx]+)\)", text):
        text = f"(?{match[1]}:{text[match.end() :]})"
    try:
        return re.compile(os.fsencode(text))
    except re.error as error:
        raise UsageError(f"{name} {text}: no regular expression: {error}") from error


def _recipe(options: RunOptions, words: list[bytes], terms: Terms, slots: int) -> Recipe:
    counts = [one for one in (options.max_replace_args, options.max_args, options.max_lines) if one is not None]
    fits = options.context_replace or options.many or options.xargs
    grouping = None
    if (counts and counts[0]) or fits:
        grouping = Grouping(
            most=counts[0] if counts else None,
            chars=options.max_chars or MOST_CHARS,
            spread=slots if fits and not options.xargs else 0,
        )
    elif options.max_chars is not None:
        grouping = Grouping(most=1, chars=options.max_chars)
    template = Template(
        words=tuple(words),
        shell=options.shell,
        repeat=_repeats(options),
        whole_words=options.quote,
        appended=not options.pipe,
        total=options.total_jobs,
    )
    return Recipe(
        template=template,
        digest=terms_digest(terms),
        sources=1 if options.colsep is None and not options.csv and options.header in (None, "0") else None,
        grouping=grouping,
        no_values=bool(counts) and not counts[0],
        unique=options.unique,
        wanted=parse_condition(os.fsencode(options.wanted)) if options.wanted is not None else None,
        keep_values=bool(options.tag or options.tagstring is not None or options.results),
        plus=options.plus,
        renames=_renames(options),
    )


def _repeats(options: RunOptions) -> bool:
    """Whether a word with `{}` is repeated for each value."""
    if options.many or options.xargs or options.pipe:
        return False
    return options.context_replace or bool(options.max_replace_args) or options.max_lines is not None


def _renames(options: RunOptions) -> tuple[tuple[bytes, bytes], ...]:
    """The placeholders that are spelt otherwise."""
    spelt = {
        "{}": options.replace,
        "{.}": options.extensionreplace,
        "{/}": options.basenamereplace,
        "{//}": options.dirnamereplace,
        "{/.}": options.basenameextensionreplace,
        "{#}": options.seqreplace,
        "{%}": options.slotreplace,
    }
    return tuple((os.fsencode(old), os.fsencode(new)) for old, new in spelt.items() if new and new != old)


def _wants_all(options: RunOptions) -> bool:
    """Whether how many rows there are matters before the first job starts."""
    return options.shuf or options.plus or (options.halt or "").endswith("%")


def _of_all(options: RunOptions, sources: list[Source], form: Format, recipe: Recipe, new: NewBatch) -> NewBatch:
    """A batch whose rows are all there before the first job starts."""
    table = read_all(sources, form, link=options.link, file_names=options.header == "0")
    recipe = replace(recipe, names=table.names, sources=table.width)
    rows: Iterable[tuple[bytes, ...]] = table.rows
    total = options.total_jobs
    if _wants_all(options):
        rows = list(rows)
        total = total or len(rows)
    if options.shuf:
        assert isinstance(rows, list)
        random.shuffle(rows)
    recipe = replace(recipe, template=replace(recipe.template, total=total))
    reader = RowReader(replace(form, header=0))
    header = _with_columns(new.header, table.names, table.width)
    return replace(new, header=header, jobs=JobMaker(recipe, reader).jobs(rows))


def _with_columns(header: BatchHeader, names: tuple[bytes, ...], width: int | None) -> BatchHeader:
    """The header with what is known of the columns in what is to be presented."""
    if not header.results:
        return header
    shown = Presentation.unpacked(header.results)
    shown = msgspec.structs.replace(shown, names=names, width=width or 0 if shown.width else 0)
    return msgspec.structs.replace(header, results=shown.packed())


def presentation(options: RunOptions, recipe: Recipe | None = None) -> Presentation:
    """What is shown and written besides."""
    tag = options.tagstring if options.tagstring is not None else "{}" if options.tag else None
    return Presentation(
        joblog=_absolute(options.joblog),
        results=_absolute(options.results),
        tag=unescaped(tag) if tag and not options.ungroup else None,
        keep_order=options.keep_order,
        plus=options.plus,
        renames=_renames(options),
        width=0 if recipe is None or recipe.grouping is None else recipe.sources or 0,
    )


def _absolute(path: str | None) -> str:
    """A path that stays what it is wherever the batch is gone on with."""
    if not path:
        return ""
    plus, bare = ("+", path[1:]) if path.startswith("+") else ("", path)
    keeps_slash = "/" if bare.endswith("/") and bare != "/" else ""
    return plus + os.path.abspath(bare) + keeps_slash


def _of_a_stream(options: RunOptions, sources: list[Source], recipe: Recipe, new: NewBatch) -> NewBatch:
    """A batch of pieces of stdin."""
    if sources:
        raise UsageError("--pipe takes its input from stdin; give no `:::`, `::::` or -a")
    _check_stdin(b"-")
    regex = options.regexp
    ends, starts = options.recend, options.recstart
    blocks = Blocks(
        size=parse_size(options.block, "--block") if options.block else 1 << 20,
        end=_record_edge("--recend", "\\n" if ends is None and starts is None else ends or "", regex),
        start=_record_edge("--recstart", starts or "", regex),
        records=options.max_replace_args or options.max_args,
        lines=options.max_lines or 1,
        header=0 if options.header is None else 1 if options.header == ":" else int(options.header),
        strip=options.remove_rec_sep,
        skip_blank=options.no_run_if_empty,
    )
    return replace(new, source=(0, None), make=BlockMaker(replace(recipe, grouping=None), blocks))


def _record_edge(name: str, text: str, regex: bool) -> bytes:
    if not regex:
        return re.escape(unescaped(text))
    return _regex(name, text).pattern
