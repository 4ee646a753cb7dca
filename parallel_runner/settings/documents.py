"""YAML and JSON documents that remember on which line each value stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from parallel_runner.errors import DataError, InputUnreadableError, Problem

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 32
MAX_ALIASED = 1_000_000
"""Values that aliases may add to those that a document spells out: a few lines could else fill the memory."""
_ALIASED_PER_CHARACTER = 10
_ALIASED_ALWAYS = 1000
Path = tuple["str | int", ...]

_TRUE, _FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_NO_TEXT = "has half of a surrogate pair (\\ud800 to \\udfff), which is no character"


@dataclass
class Document:
    """A parsed document. Where something stands is looked up only when asked for: most are without mistakes."""

    file: str
    value: Any
    node: Any = None
    """What the YAML parser made of it, with positions."""
    text: str = ""
    """The text of a JSON document, whose parser keeps no positions."""
    first_line: int = 1

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line (1-based) of a key path, or of the nearest thing around it."""
        if self.node is None and self.text:
            self.node, self.text = _positions(self.text), ""
        node = self.node
        if node is None:
            return self.first_line
        line = node.start_mark.line
        for part in path:
            found = _step(node, part)
            if found is None:
                break
            line, node = found
        return int(line) + self.first_line

    def problem(self, path: Sequence[str | int], message: str) -> Problem:
        """A problem at a key path."""
        return Problem(message=message, file=self.file, line=self.line_of(path), key=show_path(path))


def show_path(path: Sequence[str | int]) -> str:
    """A key path as people write it: `jobs[2].timeout`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_file(path: str) -> str:
    """The text of a document's file.

    Raises:
        InputUnreadableError: it is not there, not readable, or larger than MAX_BYTES.
        DataError: it is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputUnreadableError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise InputUnreadableError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(problems=[Problem(message="is not UTF-8", file=path, line=line)]) from error


def parse_yaml(text: str, file: str) -> Document:
    """Parse YAML 1.2's core schema: only true and false are booleans, so `on`, `no` and `1:30` stay text.

    Raises:
        DataError: syntax, duplicate keys, tags, nesting beyond MAX_DEPTH, aliases that expand beyond measure.
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=_loader())
    except yaml.YAMLError as error:
        told, line = _what_and_where(error, text)
        raise DataError(problems=[Problem(message=f"is no YAML: {told}", file=file, line=line)]) from error
    except (RecursionError, ValueError) as error:
        raise DataError(problems=[Problem(message=f"is no YAML: {error}", file=file, line=1)]) from error
    document = Document(file, None, node)
    if node is not None:
        # A value takes a character at least, so only aliases come to more of them than there are characters.
        aliased = min(MAX_ALIASED, _ALIASED_ALWAYS + _ALIASED_PER_CHARACTER * len(text))
        document.value = _Builder(document, yaml, len(text) + aliased).build(node, ())
    return document


def _what_and_where(error: Any, text: str) -> tuple[str, int]:
    """What the parser says, and the line (1-based) that it says it of."""
    import yaml

    if isinstance(error, yaml.reader.ReaderError):
        # The C parser counts bytes, the other one characters.
        in_bytes = hasattr(yaml, "CSafeLoader")
        before = text.encode()[: error.position] if in_bytes else text[: error.position].encode()
        line = before.count(b"\n") + 1
        told = str(error.reason)
        return (f"{told} (#x{error.character:04x})" if isinstance(error.character, int) else told), line
    mark = getattr(error, "problem_mark", None)
    return getattr(error, "problem", None) or str(error), mark.line + 1 if mark else 1


@lru_cache(maxsize=1)
def _loader() -> Any:
    """The C parser without its guesses at what plain text means, half of its time: `_scalar` has ours."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def resolve(self, kind: type, value: Any, implicit: Any) -> str:
            return "tag:yaml.org,2002:str"

    return Loader


def _positions(text: str) -> Any:
    """JSON read as the YAML that it nearly is, for the sake of its lines; None: it is not."""
    import yaml

    try:
        return yaml.compose(text, Loader=_loader())
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def _step(node: Any, part: str | int) -> tuple[int, Any] | None:
    """The line (0-based) and the node of a key or an index."""
    if isinstance(part, int):
        if isinstance(node.value, list) and part < len(node.value) and not isinstance(node.value[part], tuple):
            return node.value[part].start_mark.line, node.value[part]
        return None
    for pair in node.value if isinstance(node.value, list) else ():
        if isinstance(pair, tuple) and pair[0].value == part:
            return pair[0].start_mark.line, pair[1]
    return None


@dataclass
class _Builder:
    """Makes values of nodes."""

    document: Document
    yaml: Any
    left: int
    """Values that may still be made."""

    def build(self, node: Any, path: Path) -> Any:
        """The value of a node."""
        self.left -= 1
        if self.left < 0:
            raise self._error("its aliases (*name) expand to too many values; write fewer of them", node)
        if len(path) > MAX_DEPTH:
            raise self._error(f"is nested deeper than {MAX_DEPTH}", node)
        if isinstance(node, self.yaml.ScalarNode):
            return _scalar(node, path, self.document)
        if isinstance(node, self.yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, self.yaml.ScalarNode) else None
            if key is None or key in result or _SURROGATE.search(key):
                message = f"the key {key!r} is given twice" if key in result else "a key must be plain text"
                raise self._error(message, key_node, show_path(path))
            result[key] = self.build(value_node, (*path, key))
        return result

    def _error(self, message: str, node: Any, key: str = "") -> DataError:
        line = node.start_mark.line + 1
        return DataError(problems=[Problem(message=message, file=self.document.file, line=line, key=key)])


def _scalar(node: Any, path: Path, document: Document) -> Any:
    text = node.value
    if node.tag == "tag:yaml.org,2002:binary":
        import base64
        import binascii

        try:
            return base64.b64decode(text, validate=False)
        except (binascii.Error, ValueError) as error:
            raise DataError(problems=[document.problem(path, f"is no base64: {error}")]) from error
    if node.tag.startswith("!"):
        raise DataError(problems=[document.problem(path, f"the tag {node.tag} is not understood")])
    if _SURROGATE.search(text):
        raise DataError(problems=[document.problem(path, _NO_TEXT)])
    if node.style not in (None, ""):  # The C loader says "" for plain.
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.match(text) and len(text) < 20:
        return int(text)
    if _FLOAT.match(text) and len(text) < 40:
        return float(text)
    return text


def parse_json(text: str, file: str, first_line: int = 1) -> Document:
    """Parse JSON; `first_line` is where it begins in its file.

    Raises:
        DataError: it is no JSON, has duplicate keys, or text that is none.
    """
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} is given twice")
            seen[key] = value
        return seen

    try:
        value = json.loads(text, object_pairs_hook=once, parse_int=_whole_number)
    except (ValueError, RecursionError) as error:
        line = first_line + getattr(error, "lineno", 1) - 1
        raise DataError(problems=[Problem(message=f"is no JSON: {error}", file=file, line=line)]) from error
    document = Document(file, value, None, text, first_line)
    if _SURROGATE_ESCAPE.search(text) and (places := list(_not_text(value))):
        raise DataError(problems=[document.problem(path, _NO_TEXT) for path in places])
    return document


def _whole_number(text: str) -> int:
    number = int(text) if len(text) <= 20 else 1 << 64
    if not -(1 << 63) <= number < 1 << 64:
        raise ValueError(f"the number {text[:40]} has more than 64 bits; give it as text, in quotes")
    return number


def _not_text(value: Any) -> Iterator[Path]:
    """Where in a value half of a surrogate pair stands; `json` lets it pass."""
    left: list[tuple[Path, Any]] = [((), value)]
    while left:
        path, one = left.pop()
        if isinstance(one, str) and _SURROGATE.search(one):
            yield path
        elif isinstance(one, list):
            left += [((*path, index), item) for index, item in reversed(list(enumerate(one)))]
        elif isinstance(one, dict):
            if any(_SURROGATE.search(key) for key in one):
                yield path
            left += [((*path, key), item) for key, item in reversed(one.items())]
