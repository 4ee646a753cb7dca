"""`--filter`: conditions on the values of a row. A small language of comparisons, never evaluated as code. Pure.

condition = and-chain { ("or" | "||") and-chain }
and-chain = negation { ("and" | "&&") negation }
negation  = ("not" | "!") negation | "(" condition ")" | operand comparison operand
operand   = a placeholder | a number | 'text' | "text"
comparison = < <= == != >= > (numbers)  lt le eq ne ge gt (text)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from parallel_runner.errors import DataError, UsageError
from parallel_runner.workflows.placeholders import Mark, Reader
from parallel_runner.workflows.quoting import unquoted
from parallel_runner.workflows.rows import Row

Condition = Callable[[Row], bool]
_TOKEN = re.compile(
    rb"\s*(?:(?P<mark>\{[^{}\s]*\})|(?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    rb"|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
    rb"|(?P<sign><=|>=|==|!=|<|>|&&|\|\||!|\(|\))|(?P<word>[A-Za-z]+))"
)
_NUMBERS: dict[bytes, Callable[[float, float], bool]] = {
    b"<": operator.lt,
    b"<=": operator.le,
    b"==": operator.eq,
    b"!=": operator.ne,
    b">=": operator.ge,
    b">": operator.gt,
}
_TEXTS: dict[bytes, Callable[[bytes, bytes], bool]] = {
    b"lt": operator.lt,
    b"le": operator.le,
    b"eq": operator.eq,
    b"ne": operator.ne,
    b"ge": operator.ge,
    b"gt": operator.gt,
}
_MOST_DEPTH = 50


def parse_condition(text: bytes, reader: Reader | None = None) -> Condition:
    """Read a condition.

    Raises:
        UsageError: it cannot be understood; the message says where.
    """
    return _Parser(text, reader or Reader()).whole()


class _Parser:
    def __init__(self, text: bytes, reader: Reader) -> None:
        self._text = text
        self._reader = reader
        self._tokens: list[tuple[str, bytes, int]] = []
        self._at = 0
        place = 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._wrong(place)
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind], match.start(kind)))
            place = match.end()

    def _wrong(self, place: int) -> UsageError:
        rest = self._text[place : place + 30].decode("utf-8", "backslashreplace")
        return UsageError(
            f"--filter: not understood from {rest!r} on; write comparisons like '{{1}} < {{2}}' or "
            "'{x} eq \"a\"', with and, or, not and brackets between them"
        )

    def _peek(self) -> tuple[str, bytes]:
        return self._tokens[self._at][:2] if self._at < len(self._tokens) else ("", b"")

    def _place(self) -> int:
        return self._tokens[self._at][2] if self._at < len(self._tokens) else len(self._text)

    def _takes(self, *words: bytes) -> bytes | None:
        kind, token = self._peek()
        if kind in ("sign", "word") and token in words:
            self._at += 1
            return token
        return None

    def whole(self) -> Condition:
        condition = self._either(0)
        if self._at < len(self._tokens):
            raise self._wrong(self._place())
        return condition

    def _either(self, depth: int) -> Condition:
        if depth > _MOST_DEPTH:
            raise UsageError("--filter: brackets are nested too deep")
        first = self._both(depth)
        while self._takes(b"or", b"||"):
            first = _or(first, self._both(depth))
        return first

    def _both(self, depth: int) -> Condition:
        first = self._one(depth)
        while self._takes(b"and", b"&&"):
            first = _and(first, self._one(depth))
        return first

    def _one(self, depth: int) -> Condition:
        if self._takes(b"not", b"!"):
            inner = self._one(depth + 1) if depth < _MOST_DEPTH else self._either(depth + 1)
            return lambda row: not inner(row)
        if self._takes(b"("):
            inner = self._either(depth + 1)
            if not self._takes(b")"):
                raise self._wrong(self._place())
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self._operand()
        sign = self._takes(*_NUMBERS, *_TEXTS)
        if sign is None:
            raise self._wrong(self._place())
        right = self._operand()
        if sign in _TEXTS:
            compare = _TEXTS[sign]
            return lambda row: compare(left(row), right(row))
        numbers = _NUMBERS[sign]
        return lambda row: numbers(_number(left(row)), _number(right(row)))

    def _operand(self) -> Callable[[Row], bytes]:
        kind, token = self._peek()
        if kind in ("number", "single", "double"):
            self._at += 1
            return lambda _: token
        if kind == "mark":
            parts = self._reader.read(token)
            if parts.texts == [b"", b""] and parts.marks[0].kind == "values":
                self._at += 1
                mark: Mark = parts.marks[0]
                return lambda row: mark.of(row, unquoted)
        raise self._wrong(self._place())


def _or(first: Condition, second: Condition) -> Condition:
    return lambda row: first(row) or second(row)


def _and(first: Condition, second: Condition) -> Condition:
    return lambda row: first(row) and second(row)


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        told = value[:40].decode("utf-8", "backslashreplace")
        raise DataError(
            f"--filter compares numbers, and {told!r} is none; compare text with eq, ne, lt, …"
        ) from None
