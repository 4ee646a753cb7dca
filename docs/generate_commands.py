"""Writes man/*.1 and docs/cli.md from the commands themselves: `python docs/generate_commands.py`.

Everything is read off click's objects, as `--help` does, but spelled here: what one version of click writes in
another way must not change a page.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from parallel_runner.cli.main import VERBS, cli
from parallel_runner.version import __version__

HERE = Path(__file__).parent
PROGRAM = "parallel-runner"


class Paragraph(NamedTuple):
    """Some lines of help."""

    text: str
    verbatim: bool
    """Each line stays a line."""


class Described(NamedTuple):
    """A command as it is documented."""

    name: str
    """With its parents', blanks between."""
    usage: str
    help: tuple[Paragraph, ...]
    options: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """By heading, in order: (how it is written, what it does)."""
    verbs: tuple[tuple[str, str], ...]
    """Its sub-commands: (name, what it does)."""
    children: tuple[Described, ...]
    """Those that are documented on its own page."""


# -- reading the commands


def described(command: click.Command, name: str) -> Described:
    """What there is to tell of a command, with all below it."""
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    children: list[Described] = []
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for verb in command.list_commands(context):
            child = command.get_command(context, verb)
            assert child is not None
            children.append(described(child, f"{name} {verb}"))
    parts = [name, "[OPTION]...", *map(_argument, arguments), *(["VERB ..."] if children else [])]
    return Described(
        name=name,
        usage=" ".join(parts),
        help=(*_paragraphs(command.help or ""), *_paragraphs(command.epilog or "")),
        options=tuple(_sections(options)),
        verbs=tuple((child.name.split()[-1], _first_sentence(child)) for child in children),
        children=tuple(children),
    )


OTHERS = "Others"
"""What stands under no heading where there are any."""


def _sections(options: list[click.Option]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Options under their headings (attribute `section`), those without one last, and `--help` among them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for option in options:
        told = (_option(option), (option.help or "").strip())
        found.setdefault(getattr(option, "section", "").removesuffix(OTHERS), []).append(told)
    others = [*found.pop("", []), ("-h, --help", "Show this, shortly, and end.")]
    yield from ((name, tuple(rows)) for name, rows in found.items())
    yield OTHERS if found else "", tuple(others)


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    name += "..." if argument.nargs != 1 and not name.endswith("...") else ""
    bare = name.startswith("[")
    return name if argument.required or bare else f"[{name}]"


def _option(option: click.Option) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    if option.secondary_opts:
        names += " / " + ", ".join(sorted(option.secondary_opts, key=len))
    if option.is_flag or option.count:
        return names
    if option.metavar:
        value = option.metavar
    elif isinstance(option.type, click.Choice):
        value = "|".join(map(str, option.type.choices))
    elif isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
        value = "N"
    else:
        value = (option.name or "value").upper().replace("_", "-")
    return f"{names} {value}"


def _paragraphs(text: str) -> Iterator[Paragraph]:
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text).split("\f")[0]):
        lines = part.strip("\n").splitlines()
        verbatim = bool(lines) and lines[0].strip() == "\b"
        lines = lines[1:] if verbatim else lines
        if lines:
            yield Paragraph("\n".join(lines) if verbatim else " ".join(line.strip() for line in lines), verbatim)


def _first_sentence(one: Described) -> str:
    text = one.help[0].text if one.help else ""
    return re.split(r"(?<=\.)\s", text)[0]


# -- man pages


def man_page(one: Described, top: Described) -> str:
    """A page in the man macros of roff; ASCII only."""
    title = one.name.replace(" ", "-")
    what = VERBS.get(one.name.split()[-1], _first_sentence(one))
    lines = [
        f'.\\" Written by docs/{Path(__file__).name}; change the commands, not this.',
        f'.TH "{_roff(title.upper())}" 1 "" "{PROGRAM} {__version__}" "User Commands"',
        ".SH NAME",
        f"{_roff(title)} \\- {_roff(what[:1].lower() + what[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
        *_usages(one),
        ".SH DESCRIPTION",
        *_man_help(one),
    ]
    if one is top:
        lines += [".SH VERBS"]
        for verb, told in VERBS.items():
            lines += [".TP", f"\\fB{_roff(f'{title}-{verb}')}\\fR(1)", _roff_line(told)]
    lines += [".SH OPTIONS", *_man_options(one)]
    for child in () if one is top else one.children:
        lines += [f'.SH "{_roff(child.name.removeprefix(PROGRAM + " ").upper())}"', *_usages(child), ".PP"]
        lines += [*_man_help(child), *_man_options(child)]
    if one is top:
        lines += [".SH EXIT STATUS"]
        for code, meaning in exit_codes():
            lines += [".TP", f"\\fB{_roff(code)}\\fR", _roff_line(meaning)]
        lines += [".SH ENVIRONMENT"]
        for name, meaning in ENVIRONMENT:
            lines += [".TP", f"\\fB{_roff(name)}\\fR", _roff_line(meaning)]
    lines += [".SH SEE ALSO", *_see_also(one, top)]
    return "\n".join(lines) + "\n"


ENVIRONMENT = (
    ("PARALLEL_RUNNER_HOME", "The home, unless --home names one."),
    ("PARALLEL_RUNNER__SECTION__KEY", "A setting of the home, in capitals, two underscores for each dot."),
    ("PARALLEL_RUNNER_TRACEBACK", "When set, faults of the program's own are shown with their place in it."),
    ("NO_COLOR", "When set, nothing is coloured."),
)


def exit_codes() -> Iterator[tuple[str, str]]:
    """The rows of docs/exit-codes.md."""
    for line in (HERE / "exit-codes.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 and cells[0][:1].isdigit():
            yield cells[0].replace("–", "-"), cells[1].replace("`", "")


def _see_also(one: Described, top: Described) -> Iterator[str]:
    titles = [PROGRAM, *(f"{PROGRAM}-{verb}" for verb in VERBS)] if one is not top else []
    others = [f"\\fB{_roff(title)}\\fR(1)" for title in titles if title != one.name.replace(" ", "-")]
    others += ["\\fBparallel\\fR(1)", "\\fBxargs\\fR(1)"]
    yield ",\n".join(others)


def _usages(one: Described) -> Iterator[str]:
    yield f"\\fB{_roff(one.name)}\\fR {_roff(one.usage.removeprefix(one.name).strip())}"


def _man_help(one: Described) -> Iterator[str]:
    for place, paragraph in enumerate(one.help):
        if place:
            yield ".PP"
        if paragraph.verbatim:
            yield from (".nf", ".RS", *map(_roff_line, paragraph.text.splitlines()), ".RE", ".fi")
        else:
            yield _roff_line(paragraph.text)


def _man_options(one: Described) -> Iterator[str]:
    for name, options in one.options:
        if name:
            yield f".SS {_roff(name)}"
        for written, told in options:
            yield from (".TP", f"\\fB{_roff(written)}\\fR", _roff_line(told))


def _roff(text: str) -> str:
    """Text in which nothing is special to roff."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("'", "\\(aq")
    text = text.replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)


def _roff_line(text: str) -> str:
    """The same, at the beginning of a line."""
    text = _roff(text)
    return f"\\&{text}" if text.startswith((".", "'", " ")) or not text else text


# -- Markdown


HEAD = """\
# Verbs and options

Written by `docs/generate_commands.py` from the commands themselves, as `--help` and the man pages are. How they are
meant to be used is told in [using.md](using.md), what ends mean in [exit-codes.md](exit-codes.md).
`man -l man/parallel-runner.1` shows the same on a terminal.
"""


def markdown(top: Described) -> str:
    """All commands on one page."""
    parts = [HEAD, *_section(top, 2, "the program")]
    for verb in top.children:
        parts += _section(verb, 2, verb.name.removeprefix(PROGRAM + " "))
        for child in verb.children:
            parts += _section(child, 3, child.name.removeprefix(PROGRAM + " "))
    return "\n".join(parts)


def _section(one: Described, level: int, title: str) -> Iterator[str]:
    yield f"{'#' * level} {title}\n"
    yield f"```text\n{one.usage}\n```\n"
    for paragraph in one.help:
        yield f"```text\n{paragraph.text}\n```\n" if paragraph.verbatim else f"{_plain(paragraph.text)}\n"
    if one.verbs:
        yield "| verb | |\n|---|---|"
        yield "\n".join(f"| `{verb}` | {_cell(VERBS.get(verb, told))} |" for verb, told in one.verbs) + "\n"
    for name, options in one.options:
        yield f"| {name.lower() or 'option'} | |\n|---|---|"
        rows = [(written.replace("|", "\\|"), _cell(told)) for written, told in options]
        yield "\n".join(f"| `{written}` | {told} |" for written, told in rows) + "\n"


def _plain(text: str) -> str:
    """Text in which nothing outside of back quotes is special to Markdown."""
    return re.sub(r"(`[^`]*`)|([*_<\[\]])", lambda match: match[1] or "\\" + match[2], text)


def _cell(text: str) -> str:
    return _plain(text.replace("\n", " ")).replace("|", "\\|")


# -- all of it


def pages() -> dict[Path, str]:
    """Every generated file with what must be in it."""
    top = described(cli, PROGRAM)
    man = HERE.parent / "man"
    found = {HERE / "cli.md": markdown(top), man / f"{PROGRAM}.1": man_page(top, top)}
    for verb in top.children:
        found[man / f"{verb.name.replace(' ', '-')}.1"] = man_page(verb, top)
    return found


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
