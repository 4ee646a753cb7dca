"""A command template and its arguments. Pure.

The words of the template are joined by blanks and read by a shell, as everybody who knows GNU parallel expects;
what replaces `{}` is always quoted. When a shell has nothing to do with the template, the words are kept and the
arguments go to the program as they are, whatever bytes they hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from parallel_runner.errors import UsageError
from parallel_runner.tools.bash import SLOT, BashPayload, plain_words
from parallel_runner.workflows.placeholders import Mark, Parts, Reader
from parallel_runner.workflows.quoting import Quoter, quote, quoters, unquoted

_STAND_IN = b"x"
_ALONE = [b"", b""]
_NO_QUOTES = re.compile(rb"[A-Za-z0-9_+./-]*\Z")
_WORD = re.compile(rb"[^ \t\n]+")
Values = Sequence[bytes]
Maker = Callable[[Values, int], BashPayload]


def as_text(payload: BashPayload) -> bytes:
    """The command line that a payload stands for, as a shell would read it."""
    return payload.command if payload.argv is None else b" ".join(map(quote, payload.argv))


@dataclass(frozen=True)
class Template:
    """The words of a command and how its placeholders are read."""

    words: tuple[bytes, ...]
    reader: Reader = field(default_factory=Reader)
    shell: str = "bash"
    repeat: bool = False
    """A word with a placeholder for all values is repeated for each of them (`-X`, `-n`, `-N`, `-L`)."""
    whole_words: bool = False
    """Each word stays one word, and no shell reads it (`--quote`)."""
    appended: bool = True
    """Where no placeholder is, `{}` stands at the end."""
    total: int | None = None
    """How many jobs there are, for `{##}`."""

    @property
    def text(self) -> bytes:
        """The template as the user gave it, with the placeholder for all values behind it when it has none."""
        text = b" ".join(self.words)
        return text if not self.appended or self.reader.read(text).marks else text + b" " + self.reader.all_values


def compile_template(template: Template, sources: int | None = None) -> Maker:
    """Make a function from (argument values, place in the batch) to what a job runs.

    Args:
        template: the command.
        sources: how many values come for each job, where that is known.

    Raises:
        UsageError: `{3}` where there are two sources.
    """
    parts = template.reader.read(template.text)
    for mark in parts.marks:
        if sources is not None and mark.place is not None and abs(mark.place) > sources:
            raise UsageError(f"{{{mark.place}}} in the template: {_counted(sources)} for each job")
    if template.whole_words:
        return _whole_words(template)
    if parts.texts == _ALONE and parts.marks[0] == Mark("values"):
        # `{}` alone is the command line itself, as if there were no template.
        return _script(template, parts, [unquoted])
    filling = quoters(parts.texts, [mark.raw for mark in parts.marks], template.shell)
    script = _repeated(template, parts, filling) if template.repeat else _script(template, parts, filling)
    return _direct(template, parts, script) or script


def _counted(sources: int) -> str:
    return "there is one value" if sources == 1 else f"there are {sources} values"


def _value(mark: Mark, values: Values, seq: int, total: int | None, quoter: Quoter) -> bytes:
    """What stands for a placeholder in the job at place `seq`."""
    if mark.kind == "values":
        return mark.of(values, quoter)
    if mark.kind == "seq":
        return b"%d" % seq
    if mark.kind == "slot":
        return SLOT
    return b"%d" % (total or 0) if mark.kind == "total" else b"%0*d" % (len(str(total or 0)), seq)


def _script(template: Template, parts: Parts, filling: Sequence[Quoter]) -> Maker:
    first, total, shell = parts.texts[0], template.total, _shell(template)
    steps = list(zip(parts.marks, filling, parts.texts[1:], strict=True))

    def make_script(values: Values, seq: int) -> BashPayload:
        filled = [first]
        for mark, quoter, text in steps:
            filled += (_value(mark, values, seq, total, quoter), text)
        return BashPayload(command=b"".join(filled), shell=shell)

    return make_script


def _shell(template: Template) -> Literal["bash", "sh"]:
    return "sh" if template.shell == "sh" else "bash"


def _direct(template: Template, parts: Parts, script: Maker) -> Maker | None:
    """The same without a shell, where none has anything to do and the words read as the text does."""
    words = _words_of(parts)
    pattern = b" ".join(_STAND_IN.join(word.texts) for word in words)
    if template.shell != "bash" or plain_words(pattern) is None or pattern != b" ".join(pattern.split()):
        return None
    if words[0].marks or any(mark.raw for mark in parts.marks):
        return None
    total, repeat = template.total, template.repeat

    def make_argv(values: Values, seq: int) -> BashPayload:
        argv: list[bytes] = []
        for texts, marks in words:
            if texts == _ALONE and _means_all(marks[0]):
                argv += map(marks[0].form, values)
                continue
            # People are shown `a-'b c'`, and there is one way to show it; an empty value is no word at all.
            rows = [(value,) for value in values] if repeat and any(map(_means_all, marks)) else [values]
            for row in rows:
                word = [texts[0]]
                for mark, following in zip(marks, texts[1:], strict=True):
                    value = _value(mark, row if mark.place is None else values, seq, total, unquoted)
                    if texts == _ALONE and mark.place is not None and value:
                        argv.append(value)
                        break
                    if not value or not _NO_QUOTES.match(value) or (_means_all(mark) and len(row) != 1):
                        return script(values, seq)
                    word += (value, following)
                else:
                    argv.append(b"".join(word))
        return BashPayload(argv=tuple(argv))

    return make_argv


def _means_all(mark: Mark) -> bool:
    return mark.kind == "values" and mark.place is None


def _words_of(parts: Parts) -> list[Parts]:
    """The words of a text, none of whose blanks is quoted."""
    words = [Parts([b""], [])]
    for text, mark in zip(parts.texts, [*parts.marks, None], strict=True):
        first, *others = text.split(b" ")
        words[-1].texts[-1] += first
        words += [Parts([other], []) for other in others]
        if mark is not None:
            words[-1].marks.append(mark)
            words[-1].texts.append(b"")
    return words


def _whole_words(template: Template) -> Maker:
    parts = [template.reader.read(word) for word in template.words]
    if template.appended and not any(one.marks for one in parts):
        parts.append(Parts([b"", b""], [Mark("values")]))

    def make(values: Values, seq: int) -> BashPayload:
        argv: list[bytes] = []
        for texts, marks in parts:
            if texts == _ALONE and _means_all(marks[0]):
                argv += map(marks[0].form, values)
                continue
            word = [texts[0]]
            for mark, text in zip(marks, texts[1:], strict=True):
                word += (_value(mark, values, seq, template.total, unquoted), text)
            argv.append(b"".join(word))
        return BashPayload(argv=tuple(argv))

    return make


def _repeated(template: Template, parts: Parts, filling: Sequence[Quoter]) -> Maker:
    pieces = list(_context_pieces(parts, filling))
    total, shell = template.total, _shell(template)

    def fill(piece: _Piece, own: Values, values: Values, seq: int) -> bytes:
        filled = [piece.texts[0]]
        for mark, quoter, text in zip(piece.marks, piece.filling, piece.texts[1:], strict=True):
            filled += (_value(mark, own if mark.place is None else values, seq, total, quoter), text)
        return b"".join(filled)

    def make(values: Values, seq: int) -> BashPayload:
        filled = []
        for piece in pieces:
            if any(map(_means_all, piece.marks)):
                filled.append(b" ".join([fill(piece, (value,), values, seq) for value in values]))
            else:
                filled.append(fill(piece, values, values, seq))
        return BashPayload(command=b"".join(filled), shell=shell)

    return make


@dataclass
class _Piece:
    """A word of a text, or the blanks between two."""

    texts: list[bytes] = field(default_factory=lambda: [b""])
    marks: list[Mark] = field(default_factory=list)
    filling: list[Quoter] = field(default_factory=list)


def _context_pieces(parts: Parts, filling: Sequence[Quoter]) -> Iterator[_Piece]:
    """The text cut into blanks and words; a word goes up to the next blank, quoted or not."""
    current = _Piece()
    for place, text in enumerate(parts.texts):
        end = 0
        for match in _WORD.finditer(text):
            if match.start() > end:
                yield current
                yield _Piece([text[end : match.start()]])
                current = _Piece()
            current.texts[-1] += match[0]
            end = match.end()
        if end < len(text):
            yield current
            yield _Piece([text[end:]])
            current = _Piece()
        if place < len(parts.marks):
            current.marks.append(parts.marks[place])
            current.filling.append(filling[place])
            current.texts.append(b"")
    yield current
