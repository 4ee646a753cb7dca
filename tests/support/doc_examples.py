"""Examples in pages of documentation: found, run by bash, compared with what the page says.

A page speaks to the tests by fences and by comments that its readers do not see:

- a fence marked `console` holds commands behind `$ ` (their further lines behind `> `), each followed by its
  output, stdout and stderr as a terminal shows them;
- `<!-- not run: REASON -->` right before a fence leaves it out;
- `<!-- file: NAME -->` right before a fence of any kind makes it a file;
- `<!-- setup: COMMANDS -->` runs commands that are not shown.

In an output `…` stands for any text, on a line of its own for any lines. Durations and moments match any others.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMENT = re.compile(r"<!-- (setup|file|not run): ?(.*?)\s*-->\s*$", re.DOTALL)
MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00)?"
DURATION = r"\b\d+(?:\.\d+)? (?:ms|s|min|h)\b"
VARIES = re.compile(f"…|{MOMENT}|{DURATION}")
MARK = "=====example====="
LIMIT = 100.0
"""Seconds for all examples of a page."""


@dataclass(frozen=True)
class Step:
    """Something that a page has done, at the line of its beginning."""

    line: int


@dataclass(frozen=True)
class Command(Step):
    """A command to run; `expected` is None where the page does not show its output."""

    text: str
    expected: tuple[str, ...] | None


@dataclass(frozen=True)
class File(Step):
    """A file to write."""

    name: str
    text: str


@dataclass(frozen=True)
class LeftOut(Step):
    """An example that is not run."""

    reason: str


def steps_of(page: str) -> list[Step]:
    """What a page has done, in its order.

    Raises:
        AssertionError: an example without a command, or a comment without the fence that it is about.
    """
    found: list[Step] = []
    lines = page.split("\n")
    at = 0
    before: tuple[str, str] | None = None
    while at < len(lines):
        start = at + 1
        if lines[at].startswith("<!--"):
            end = next(number for number in range(at, len(lines)) if lines[number].endswith("-->"))
            told = COMMENT.match("\n".join(lines[at : end + 1]))
            if told and told[1] == "setup":
                found.append(Command(start, told[2].strip(), None))
            elif told:
                before = (told[1], told[2])
            at = end + 1
            continue
        if lines[at].startswith("```"):
            end = lines.index("```", at + 1)
            found += fenced(start, lines[at].removeprefix("```"), lines[at + 1 : end], before)
            at, before = end + 1, None
            continue
        assert before is None, f"line {start}: `{before}` stands before no example"
        at += 1
    return found


def fenced(line: int, kind: str, body: Sequence[str], before: tuple[str, str] | None) -> list[Step]:
    """What one fence has done, `before` being the comment right before it."""
    if before and before[0] == "not run":
        assert kind == "console", f"line {line}: only examples are left out"
        return [LeftOut(line, before[1])]
    if before:
        return [File(line, before[1], "\n".join(body) + "\n")]
    return list(commands(line + 1, body)) if kind == "console" else []


def commands(line: int, body: Sequence[str]) -> list[Command]:
    """The commands of an example, with their outputs."""
    assert body and body[0].startswith("$ "), f"line {line}: an example begins with a command"
    found: list[tuple[int, list[str], list[str]]] = []
    for offset, text in enumerate(body):
        if text.startswith("$ "):
            found.append((line + offset, [text[2:]], []))
        elif text.startswith("> ") and not found[-1][2]:
            found[-1][1].append(text[2:])
        else:
            found[-1][2].append(text)
    return [Command(at, "\n".join(typed), tuple(shown)) for at, typed, shown in found]


def expression(expected: Sequence[str]) -> str:
    """The regular expression of an output, each line of which ends with a newline."""
    parts = []
    for line in expected:
        if line == "…":
            parts.append("(?:.*\n)*?")
            continue
        at = 0
        for varying in VARIES.finditer(line):
            parts.append(re.escape(line[at : varying.start()]))
            parts.append(variety(varying[0]))
            at = varying.end()
        parts.append(re.escape(line[at:]) + "\n")
    return "".join(parts)


def variety(text: str) -> str:
    """What may stand where a page says `text`."""
    if text == "…":
        return ".*"
    return DURATION if re.fullmatch(DURATION, text) else MOMENT


def agrees(expected: Sequence[str], output: str) -> bool:
    """Whether an output is as the page says. Blanks at the end of lines are not looked at."""
    lines = [line.rstrip() for line in output.splitlines()]
    return re.fullmatch(expression(expected), "".join(f"{line}\n" for line in lines)) is not None


def pairs_of(page: str, tool: str) -> list[tuple[str, str]]:
    """Rows of the tables that name a command of `tool` and one of ours: what is typed there, and here.

    Rows with `…` are no commands.
    """
    found = []
    for row in re.findall(r"^\| `(.*)` \| `(.*)` \|$", page, re.MULTILINE):
        there, here = (cell.replace("\\|", "|") for cell in row)
        if re.search(rf"\b{tool}\b", there) and "parallel-runner run" in here and "…" not in there + here:
            found.append((there, here))
    return found


def run_page(steps: Sequence[Step], work: Path, scripts: Path, env: Mapping[str, str]) -> list[str]:
    """Do what a page says in the directory `work`, in one bash; what did not come out as it says.

    Raises:
        subprocess.TimeoutExpired: it took longer than `LIMIT`.
    """
    scripts.mkdir()
    lines = []
    todo = [step for step in steps if isinstance(step, (Command, File))]
    for number, step in enumerate(todo):
        place = scripts / str(number)
        place.write_text(f"{step.text}\n" if isinstance(step, Command) else step.text)
        # A page may ask for `$?`: each command finds the status of the one before.
        lines.append(f"s=$?; printf '\\n%s %d %d\\n' {MARK} {number} $s; (exit $s)")
        lines.append(f"cp {place} {step.name}" if isinstance(step, File) else f". {place}")
    lines.append(f"printf '\\n%s %d %d\\n' {MARK} {len(todo)} $?")
    (scripts / "all").write_text("\n".join(lines) + "\n")
    with open(scripts / "output", "wb") as output:
        subprocess.run(
            ["bash", scripts / "all"],
            cwd=work,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=LIMIT,
            check=True,
        )
    return compared(todo, (scripts / "output").read_text())


def compared(todo: Sequence[Command | File], output: str) -> list[str]:
    """What differs, for a person to read."""
    pieces = re.split(rf"\n{MARK} (\d+) (\d+)\n", output)
    shown = {int(pieces[at]): pieces[at + 2] for at in range(1, len(pieces), 3)}
    status = {int(pieces[at]) - 1: int(pieces[at + 1]) for at in range(1, len(pieces), 3)}
    wrong = []
    for number, step in enumerate(todo):
        got = shown.get(number, "(nothing: not reached)")
        if isinstance(step, File) or step.expected is None:
            if status.get(number) != 0:
                wrong.append(f"line {step.line}: could not be prepared:\n{got}")
        elif not agrees(step.expected, got):
            told = "\n".join(step.expected)
            wrong.append(f"line {step.line}: $ {step.text}\n--- the page:\n{told}\n--- the program:\n{got}")
    return wrong


def furnish_path(place: Path, program: Sequence[str]) -> str:
    """Directories for PATH that hold `program` under the name that readers type; made below `place`."""
    script = f'#!/bin/bash\nexec {" ".join(program)} "$@"\n'
    for directory in (place / "bin", place / "work" / ".venv" / "bin"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "parallel-runner").write_text(script)
        (directory / "parallel-runner").chmod(0o755)
    return os.pathsep.join([str(place / "bin"), os.environ["PATH"]])
