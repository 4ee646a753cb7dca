"""A command template and its arguments. Pure.

The words of the template are joined by blanks and read by a shell, as everybody who knows GNU parallel expects;
what replaces `{}` is always quoted. When a shell has nothing to do with the template, the words are kept and the
arguments go to the program as they are, whatever bytes they hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from parallel_runner.errors import UsageError
from parallel_runner.model.job import JobSpec, job_key
from parallel_runner.tools.bash import BashPayload, plain_words

_PLACE = re.compile(rb"\{(?:#|\d+)?\}")
_STAND_IN = b"x"
_encode = msgspec.msgpack.Encoder().encode


def quote(value: bytes) -> bytes:
    """One word of shell, whatever the bytes."""
    if value and re.fullmatch(rb"[A-Za-z0-9_%+,\-./:@]+", value) and not value.startswith((b"-", b"~")):
        return value
    return b"'" + value.replace(b"'", b"'\\''") + b"'"


def compile_template(
    words: Sequence[bytes], sources: int, shell: str
) -> Callable[[Sequence[bytes], int], BashPayload]:
    """Make a function from (argument values, place in the batch) to what a job runs.

    Args:
        words: the template as the caller's shell split it.
        sources: how many values come for each job.
        shell: bash | sh.

    Raises:
        UsageError: `{3}` where there are two sources.
    """
    text = b" ".join(words)
    for match in _PLACE.findall(text):
        if match[1:-1].isdigit() and not 1 <= int(match[1:-1]) <= sources:
            raise UsageError(f"{match.decode()} in the template: there are {sources} input sources")
    if not any(match != b"{#}" for match in _PLACE.findall(text)):
        text += b" {}"
    pattern = _PLACE.sub(_STAND_IN, text)
    direct = shell == "bash" and plain_words(pattern) is not None and not _PLACE.match(text.split()[0])
    if direct:
        parts = [_PLACE.split(word) for word in text.split()]
        places = [_PLACE.findall(word) for word in text.split()]

        def make_argv(values: Sequence[bytes], seq: int) -> BashPayload:
            argv: list[bytes] = []
            for texts, marks in zip(parts, places, strict=True):
                if texts == [b"", b""] and marks == [b"{}"]:
                    argv += values
                    continue
                argv.append(_fill(texts, [_value(mark, values, seq, b" ") for mark in marks]))
            return BashPayload(argv=tuple(argv))

        return make_argv
    texts, marks = _PLACE.split(text), _PLACE.findall(text)

    def make_script(values: Sequence[bytes], seq: int) -> BashPayload:
        quoted = [quote(value) for value in values]
        return BashPayload(
            command=_fill(texts, [_value(mark, quoted, seq, b" ") for mark in marks]),
            shell="sh" if shell == "sh" else "bash",
        )

    return make_script


def _value(mark: bytes, values: Sequence[bytes], seq: int, between: bytes) -> bytes:
    if mark == b"{#}":
        return b"%d" % seq
    if mark == b"{}":
        return between.join(values)
    return values[int(mark[1:-1]) - 1]


def _fill(texts: Sequence[bytes], values: Sequence[bytes]) -> bytes:
    filled = [texts[0]]
    for value, text in zip(values, texts[1:], strict=True):
        filled += (value, text)
    return b"".join(filled)


class SpecMaker:
    """Turns argument values into jobs of one template."""

    def __init__(self, words: Sequence[bytes], sources: int, shell: str, digest: bytes) -> None:
        self._words = words
        self._shell = shell
        self._digest = digest
        self._prefix = b"\0".join([shell.encode(), *words]) + b"\0\0"
        self._make = compile_template(words, sources, shell) if words else None
        self._seq = 0

    def jobs(self, values: Sequence[Sequence[bytes]]) -> list[JobSpec]:
        """One job for each tuple of values; without a template the value is the command line."""
        if self._make is None:
            return self._lines([one[0] for one in values])
        specs = []
        for one in values:
            self._seq += 1
            payload = self._make(one, self._seq)
            key = job_key(self._digest, self._prefix + b"\0".join(one))
            specs.append(JobSpec(payload=_encode(payload), key=key))
        return specs

    def records(self, records: list[bytes]) -> list[JobSpec]:
        """One job for each record of input; empty command lines are none."""
        if self._make is None:
            return self._lines(records)
        return self.jobs([(record,) for record in records])

    def _lines(self, lines: Sequence[bytes]) -> list[JobSpec]:
        digest, prefix, shell = self._digest, self._prefix, self._shell
        sh = shell == "sh"
        specs = []
        for line in lines:
            if not line or line.isspace():
                continue
            payload = _encode(BashPayload(command=line, shell="sh") if sh else BashPayload(command=line))
            specs.append(JobSpec(payload=payload, key=job_key(digest, prefix + line)))
        return specs
