"""The signature of a command: what makes two commands the same kind of work. Pure, and never raises.

    git -C /srv/repo commit -m 'fix 12'      git commit -C -m
    convert 17.png -resize 50% 17-small.png  convert -resize
    cd build && make -j8 all                 cd && make -j
    ./job_0017.sh --seed=42                  job_#.sh --seed

Kept are the program's name, its sub-command where the program is known to have them, and the names of its flags,
sorted. Numbers, paths, hexadecimal and quoted text never are. What a signature says is printable ASCII of at most
MOST characters, whatever the command was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

MOST = 160
"""Characters of a signature."""
_READ = 4096
"""Bytes of a command that are looked at."""
_COMMANDS = 4
_FLAGS = 12
_NAME = 40

_ONE_WORD = (
    "apt apt-get brew bundle cargo conda django-admin dnf dotnet flutter gem git go gradle hatch helm hg ip make "
    "manage.py meson mvn mix npm npx nix nox opkg pacman pip pip3 pipx pixi pnpm poetry podman pueue rake ruff "
    "rustup snap svn systemctl terraform tox uv yarn yum zfs zpool"
)
_TWO_WORDS = "aws az docker gcloud gh kubectl openstack parallel-runner"
SUB_COMMANDS: dict[str, int] = {**dict.fromkeys(_ONE_WORD.split(), 1), **dict.fromkeys(_TWO_WORDS.split(), 2)}
"""Programs whose first words say what they do, and how many words that are."""

_WRAPPERS = frozenset(
    ("command", "env", "exec", "ionice", "nice", "nohup", "setsid", "stdbuf", "sudo", "time", "timeout")
)
"""Programs that run what follows them: skipped, with their own flags and values."""

# Quoted text and escapes become part of a word; operators end a command; all else ends or extends a word.
_TOKEN = re.compile(
    r"""(?P<quoted>'[^']*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\\?\Z)|\\.|\$\([^()]*\)|`[^`]*`)"""
    r"""|(?P<redirect>&>>?|[0-9]*[<>]+&?[0-9-]*)"""
    r"""|(?P<operator>\|\|?|&&?|;+|\n|[()]|(?<!\S)[{}](?=\s|\Z|;))"""
    r"""|(?P<blank>[^\S\n]+)"""
    r"""|(?P<plain>[^\s'"\\`<>|&;()]+|.)""",
    re.DOTALL,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_FLAG = re.compile(r"--?[A-Za-z][A-Za-z-]*")
_WORD = re.compile(r"[A-Za-z][A-Za-z_:-]{0,30}\Z")
_VALUE = re.compile(r"[0-9][\w.,:%+-]*\Z")
_DIGITS = re.compile(r"(?<=[_-])\d+|\d{4,}")
_HEX = re.compile(r"(?<![A-Za-z0-9])(?=[a-f]*\d)[0-9a-f]{8,}(?![A-Za-z0-9])", re.IGNORECASE)
_STRANGE = re.compile(r"[^A-Za-z0-9_.+@#%:\[-]")
_MODULE = re.compile(r"[A-Za-z_][\w.]{0,60}\Z", re.ASCII)
_JOINTS = frozenset(("|", "||", "&&", "&", ";"))
_KEYWORDS = frozenset(("!", "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "{", "}"))
_PRELUDES = frozenset(("cd", "export", "set", "source", ".", "ulimit", "for", "case", "[", "test", "mkdir"))
"""First commands of lines whose work is done by a later one."""
_WITH_VALUE = frozenset(("-u", "-g", "-n", "-k", "-s", "-c"))
"""Flags of wrappers that have a value after them."""
_MARK = "\0"
"""Stands in a word for text that was quoted or computed: no program's name has it."""


class Signature(NamedTuple):
    """A command's kind, from close to coarse."""

    full: str
    program: str
    """What to fall back to while too little is known of `full`: the name of a program in it."""


NOTHING = Signature("(empty)", "(empty)")


def of_line(command: bytes) -> Signature:
    """The signature of a command line, as a shell would read it."""
    text = command[:_READ].decode("utf-8", "replace").replace(_MARK, " ")
    parts = ""
    programs: list[str] = []
    for joint, words in _commands(text):
        program, rest = _of_words(words)
        if not program:
            continue
        if len(programs) == _COMMANDS:
            parts += f" {joint} ..."
            break
        parts += (f" {joint} " if parts else "") + " ".join([program, *rest])
        programs.append(program)
    if not programs:
        return NOTHING
    return Signature(parts[:MOST], next((one for one in programs if one not in _PRELUDES), programs[0]))


def of_words(argv: Sequence[bytes]) -> Signature:
    """The signature of a program with its arguments, which no shell reads."""
    words = [word[:_READ].decode("utf-8", "replace").replace(_MARK, " ") for word in argv[:256]]
    program, rest = _of_words(words)
    return Signature(" ".join([program, *rest])[:MOST], program) if program else NOTHING


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The simple commands of a line: the operator before each, and its words; quoted text is a mark."""
    words: list[str] = []
    word, skip, joint = "", False, ";"
    for match in chain(_TOKEN.finditer(text), _TOKEN.finditer("\n")):
        kind = match.lastgroup
        if kind in ("quoted", "plain"):
            word += _MARK if kind == "quoted" else match[0]
            continue
        if word:
            if not skip:
                words.append(word)
            word, skip = "", False
        if kind == "redirect":
            skip = True  # The next word is a file's name.
        elif kind == "operator":
            if words:
                yield joint, words
                words = []
                joint = match[0] if match[0] in _JOINTS else ";"
            skip = False


def _of_words(words: Sequence[str]) -> tuple[str, list[str]]:
    """(program, sub-commands and flags) of a simple command; no program: nothing is run."""
    rest = _without_prelude(words)
    if not rest:
        return "", []
    program = _program(rest[0])
    wanted = SUB_COMMANDS.get(program, 0)
    subs: list[str] = []
    flags: set[str] = set()
    for before, word in pairwise(rest):
        if word == "--":
            break
        if word.startswith("-"):
            flag = _FLAG.match(word)
            flags.add(flag[0][:_NAME].rstrip("-") if flag else "-#" if word[1:2].isdigit() else "-")
        elif len(subs) < wanted and _WORD.match(word):
            subs.append(_HEX.sub("#", word))
        elif before == "-m" and program.startswith("python") and _MODULE.match(word):
            subs.append(word)
            break  # What follows are the module's own arguments.
    return program, [*subs, *sorted(flags)[:_FLAGS]]


def _without_prelude(words: Sequence[str]) -> list[str]:
    """Without assignments and programs that only run another one."""
    rest = list(words)
    while rest and (rest[0] in _KEYWORDS or _ASSIGNMENT.match(rest[0])):
        rest.pop(0)
    while len(rest) > 1 and rest[0] in _WRAPPERS:
        inner = rest[1:]
        # `sudo -u me nice -n 5 make`: what stands between a wrapper and its command are flags and values.
        while inner and (inner[0].startswith("-") or _VALUE.match(inner[0]) or _ASSIGNMENT.match(inner[0])):
            inner = inner[2:] if inner[0] in _WITH_VALUE else inner[1:]
        if not inner:
            break
        rest = inner
    return rest


def _program(word: str) -> str:
    """A program's name without its directory, numbered copies alike; `*` when only the shell knows it."""
    name = word.rpartition("/")[2]
    if _MARK in name or "$" in name or not name:
        return "*"
    name = _DIGITS.sub("#", _HEX.sub("#", name))
    return _STRANGE.sub("?", name)[:_NAME]
