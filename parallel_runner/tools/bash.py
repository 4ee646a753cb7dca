"""The tool `bash`: a command line, or a program with its arguments.

A plain line is split and executed directly: that is 2.2 times the rate of a shell, and there is nothing to inject
into. Everything else goes to `/bin/bash --noprofile --norc -c`, since people write bash. Whatever direct execution
cannot start is handed to the shell as well, so that it is told in the shell's own words and exit codes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from parallel_runner.model.ports import INTERNAL, JobContext, Launch, Refusal, Spawn
from parallel_runner.tools.command_policy import Argv, Script, judge

SLOT = b"\0"
"""Stands in a payload for the number of the slot that runs the job; no argument can hold this byte."""
SLOT_VARIABLE = b"PARALLEL_JOBSLOT"
BASH = b"/bin/bash"
SH = b"/bin/sh"

_PLAIN = re.compile(rb"[A-Za-z0-9_%+,\-./:@ \t]*\Z")

# bash 5.2: `compgen -k` and `compgen -b`, without those that a plain line cannot spell.
_KEYWORDS = b"if then else elif fi case esac for select while until do done in function time coproc"
_BUILTINS = (
    b". : alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown echo "
    b"enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd "
    b"printf pushd pwd read readarray readonly return set shift shopt source suspend test times trap true type "
    b"typeset ulimit umask unalias unset wait"
)
_NOT_DIRECT = frozenset((_KEYWORDS + b" " + _BUILTINS).split())


class BashPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a bash job runs: `command`, or `argv`."""

    command: bytes = b""
    """A command line, as for `bash -c`."""
    argv: tuple[bytes, ...] | None = None
    """A program and its arguments, which no shell reads."""
    shell: Literal["bash", "sh"] = "bash"
    """Which shell reads `command`; sh starts in half the time."""
    values: Annotated[tuple[bytes, ...], INTERNAL] = ()
    """The arguments it was made of, where something is to be told by them: tags, results."""
    stdin: Annotated[tuple[str, int, int] | None, INTERNAL] = None
    """Its piece of a stream: file under the state's inputs, offset, bytes."""


def plain_words(line: bytes) -> list[bytes] | None:
    """The words of a line that needs no shell, or None.

    Only word characters, `%+,-./:@_` and blanks; the first word is neither keyword nor builtin, nor a job (`%1`).
    """
    if not _PLAIN.match(line):
        return None
    words = line.split()
    if not words or words[0] in _NOT_DIRECT or words[0].startswith(b"%"):
        return None
    return words


def find_program(name: bytes, path: bytes | None) -> bytes | None:
    """Where the kernel finds a program: `name` itself when it has a slash, else the first match on `path`.

    Without a path it is for the shell to say: it has one of its own then, and an empty one means another thing.
    """
    if b"/" in name:
        return name
    if path is None:
        return None
    for directory in path.split(b":"):
        candidate = (directory or b".") + b"/" + name
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    return None


@lru_cache(maxsize=4)
def _is_executable(path: bytes) -> bool:
    return os.access(path, os.X_OK)


def _shell_may_differ(word: bytes, env: Mapping[bytes, bytes]) -> bool:
    """Whether bash would do something else with this first word than execute the program of that name."""
    if b"BASH_ENV" in env or b"BASH_FUNC_command_not_found_handle%%" in env:
        return True
    return b"BASH_FUNC_" + word + b"%%" in env


class BashTool:
    """Runs commands."""

    name = "bash"
    read_only = False
    payload_type = BashPayload
    main_field = "command"

    def check(self, payload: msgspec.Struct) -> Sequence[str]:
        """Exactly one of `command` and `argv`; no NUL bytes, which no command can carry."""
        assert isinstance(payload, BashPayload)
        if bool(payload.command) == (payload.argv is not None):
            return ["command: give a command line, or argv, and not both"]
        if payload.argv is not None and (not payload.argv or not payload.argv[0]):
            return ["argv: the first element names the program; it is missing"]
        if b"\0" in payload.command or any(b"\0" in word for word in payload.argv or ()):
            return ["command: has a NUL byte, which no command can carry"]
        return []

    def preload(self) -> None:
        """Nothing to load."""

    def describe(self, payload: msgspec.Struct) -> bytes:
        """The command line, or the words with blanks between."""
        assert isinstance(payload, BashPayload)
        told = payload.command if payload.argv is None else b" ".join(payload.argv)
        return told.replace(SLOT, b"{%}")

    def prepare(self, payload: msgspec.Struct, context: JobContext) -> Launch:
        """Choose between direct execution and a shell, and ask the policy about exactly that."""
        assert isinstance(payload, BashPayload)
        launch = self._launch(_with_slot(payload, context.env), context)
        if payload.stdin is not None and isinstance(launch, Spawn):
            name, offset, length = payload.stdin
            return msgspec.structs.replace(launch, stdin=(f"{context.inputs}/{name}", offset, length))
        return launch

    def _launch(self, payload: BashPayload, context: JobContext) -> Launch:
        words: Sequence[bytes] | None = payload.argv
        if words is None and payload.shell == "bash":
            words = plain_words(payload.command)
            if words is not None and _shell_may_differ(words[0], context.env):
                words = None
        if words is None:
            return _by_shell(payload.command, payload.shell)
        verdict = judge(Argv(tuple(words)))
        if not verdict.allowed:
            return Refusal(126, verdict.reason, rejected=True)
        # `"$@"` makes the shell look up, run, and complain about, the very same words.
        spoken = (b"bash", b"--noprofile", b"--norc", b"-c", b'"$@"', b"bash", *words)
        program = find_program(words[0], context.env.get(b"PATH"))
        if program is None:
            return Spawn(BASH, spoken) if _is_executable(BASH) else _missing(BASH)
        return Spawn(program, words, spoken)


def _with_slot(payload: BashPayload, env: Mapping[bytes, bytes]) -> BashPayload:
    """The payload with the number of its slot wherever `{%}` stood: only who runs it knows that."""
    slot = env.get(SLOT_VARIABLE, b"")
    if SLOT in payload.command:
        return msgspec.structs.replace(payload, command=payload.command.replace(SLOT, slot))
    if payload.argv is not None and any(SLOT in word for word in payload.argv):
        return msgspec.structs.replace(payload, argv=tuple(word.replace(SLOT, slot) for word in payload.argv))
    return payload


def _by_shell(text: bytes, shell: str) -> Launch:
    verdict = judge(Script(text, shell))
    if not verdict.allowed:
        return Refusal(126, verdict.reason, rejected=True)
    if shell == "sh":
        return Spawn(SH, (b"sh", b"-c", text)) if _is_executable(SH) else _missing(SH)
    return (
        Spawn(BASH, (b"bash", b"--noprofile", b"--norc", b"-c", text)) if _is_executable(BASH) else _missing(BASH)
    )


def _missing(shell: bytes) -> Refusal:
    name = shell.decode()
    return Refusal(127, f"{name} is not there or not executable; install it, or give the job as argv")
