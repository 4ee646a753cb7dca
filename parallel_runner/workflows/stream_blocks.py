"""`--pipe`: a stream cut into blocks of whole records, each the stdin of a job. Pure.

A block is cut behind the last record that ends in it. Between records: `end` of one, `start` of the next.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import msgspec

from parallel_runner.model.job import JobSpec, job_key
from parallel_runner.workflows.job_maker import Recipe
from parallel_runner.workflows.template import compile_template

_encode = msgspec.msgpack.Encoder().encode
_GROWTH = 1.3
"""How much a block grows that no record ends in, as in GNU parallel."""


@dataclass(frozen=True)
class Blocks:
    """How a stream is cut."""

    size: int = 1 << 20
    """Bytes of a block, about."""
    end: bytes = b"\\\n"
    """Regular expression for what ends a record; may be empty."""
    start: bytes = b""
    """Regular expression for what begins a record; may be empty."""
    records: int | None = None
    """Records in a block, whatever its size."""
    lines: int = 1
    """Ends of records that make one."""
    header: int = 0
    """Lines at the start of the stream that stand at the start of each block."""
    strip: bool = False
    """What separates records is taken away."""
    skip_blank: bool = False
    """Blocks of nothing but blanks are no jobs."""


class Cutter:
    """Cuts a stream as it comes."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._size = blocks.size
        self._buffer = b""
        self._headers = blocks.header
        self._header = b""
        end, start = b"(?:%b)" % blocks.end, blocks.start
        self._edge = re.compile(end + (b"(?=%b)" % start if start else b""), re.MULTILINE)
        self._edges = re.compile(end + (b"|(?:%b)" % start if start else b""), re.MULTILINE)
        self._free = not blocks.end and not blocks.start
        self._literal = _literally(blocks.end), _literally(blocks.start)
        self._seen = self._from = 0
        """Records counted in the buffer, and up to where."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The blocks that some more bytes complete."""
        self._buffer += chunk
        self._take_header()
        if self._headers:
            return
        while (cut := self._cut()) is not None:
            block, self._buffer = self._buffer[:cut], self._buffer[cut:]
            self._seen = self._from = 0
            yield from self._dressed(block)

    def end(self) -> Iterator[bytes]:
        """The blocks that are left."""
        if self._headers:
            # Fewer lines than the header was to have: then it is no header.
            self._buffer, self._header, self._headers = self._header + self._buffer, b"", 0
        yield from self.feed(b"")
        if self._blocks.lines > 1 and self._blocks.records is None and (cut := self._last_edge(len(self._buffer))):
            # Records that are whole do not go with the one that is not.
            block, self._buffer = self._buffer[:cut], self._buffer[cut:]
            yield from self._dressed(block)
        block, self._buffer = self._buffer, b""
        yield from self._dressed(block)

    def _take_header(self) -> None:
        while self._headers and (place := self._buffer.find(b"\n")) >= 0:
            self._header += self._buffer[: place + 1]
            self._buffer = self._buffer[place + 1 :]
            self._headers -= 1

    def _dressed(self, block: bytes) -> Iterator[bytes]:
        """The block as a job gets it; none where there is nothing in it."""
        if self._blocks.strip and not self._free:
            block = self._edges.sub(b"", block)
        if block.strip() or (block and not self._blocks.skip_blank):
            yield self._header + block

    def _cut(self) -> int | None:
        if self._blocks.records is not None:
            return self._cut_by_count(self._blocks.records * self._blocks.lines)
        while len(self._buffer) >= self._size:
            cut = self._last_edge(self._size)
            if cut:
                return cut
            self._size = math.ceil(self._size * _GROWTH + 1)
        return None

    def _cut_by_count(self, wanted: int) -> int | None:
        if self._free:
            return None
        for match in self._edge.finditer(self._buffer, self._from):
            if not match.end() or match.end() <= self._from:
                continue
            if self._blocks.start and match.end() == len(self._buffer):
                return None
            self._seen += 1
            self._from = match.end()
            if self._seen == wanted:
                return match.end()
        return None

    def _last_edge(self, size: int) -> int:
        if self._free:
            return size
        ends, begins = self._literal
        if ends is not None and begins is not None and self._blocks.lines == 1:
            place = self._buffer.rfind(ends + begins, 0, size)
            return place + len(ends) if place >= 0 else 0
        places = [match.end() for match in self._edge.finditer(self._buffer[:size]) if match.end()]
        whole = len(places) // self._blocks.lines * self._blocks.lines
        return places[whole - 1] if whole else 0


def _literally(pattern: bytes) -> bytes | None:
    """The one text that a regular expression matches, where it is nothing but that text."""
    text = re.sub(rb"\\(.)", rb"\1", pattern, flags=re.DOTALL)
    return text if re.escape(text) == pattern else None


@dataclass
class BlockMaker:
    """Makes a job of each block of a stream."""

    recipe: Recipe
    blocks: Blocks
    store: Callable[[bytes], tuple[str, int]] | None = None
    """Keeps a block; returns the name of the file and the offset at which it stands. Set by who runs the batch."""
    _seq: int = 0
    _cutter: Cutter = field(init=False)

    def __post_init__(self) -> None:
        recipe = self.recipe
        template = replace(recipe.template, reader=recipe.reader(recipe.names), appended=False)
        self._make = compile_template(template)
        self._prefix = b"\0".join([b"pipe", template.shell.encode(), *template.words]) + b"\0\0"
        self._cutter = Cutter(self.blocks)

    def feed(self, chunk: bytes) -> list[JobSpec]:
        """The jobs that some more bytes complete."""
        return [self._spec(block) for block in self._cutter.feed(chunk)]

    def end(self) -> list[JobSpec]:
        """The jobs that the end of the stream completes."""
        return [self._spec(block) for block in self._cutter.end()]

    def _spec(self, block: bytes) -> JobSpec:
        assert self.store is not None
        self._seq += 1
        name, offset = self.store(block)
        payload = msgspec.structs.replace(self._make((b"",), self._seq), stdin=(name, offset, len(block)))
        digest = hashlib.blake2b(block, digest_size=16).digest()
        return JobSpec(payload=_encode(payload), key=job_key(self.recipe.digest, self._prefix + digest))
