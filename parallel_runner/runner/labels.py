"""What a job is called besides its number: the values it was made of, its command line, its tag."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parallel_runner.ids import seq_of
from parallel_runner.model.batch import Presentation
from parallel_runner.model.job import Job
from parallel_runner.model.terms import Terms
from parallel_runner.reports.records import describe
from parallel_runner.tools.bash import SLOT, BashPayload
from parallel_runner.workflows.placeholders import Parts, Reader
from parallel_runner.workflows.quoting import unquoted
from parallel_runner.workflows.template import as_text

_decode = msgspec.msgpack.Decoder(BashPayload).decode


class Labels:
    """Names the jobs of one batch."""

    def __init__(self, terms: Sequence[Terms], shown: Presentation) -> None:
        self._terms = terms
        self.names = shown.names
        self._width = shown.width
        self._reader = Reader(shown.names, renames=shown.renames, plus=shown.plus)
        self._tag = self._reader.read(shown.tag) if shown.tag is not None else None

    def payload(self, job: Job) -> BashPayload | None:
        """What a bash job runs; None for jobs of other tools."""
        return _decode(job.payload) if self._terms[job.terms].tool == "bash" else None

    def command(self, job: Job, slot: int = 0) -> bytes:
        """The command line, or what another tool says of its job."""
        payload = self.payload(job)
        if payload is None:
            return describe(self._terms[job.terms].tool, job.payload)
        return as_text(payload).replace(SLOT, b"%d" % slot)

    def values(self, job: Job) -> tuple[bytes, ...]:
        """The values it was made of; its command line where they were not kept."""
        payload = self.payload(job)
        if payload is not None and (payload.values or payload.stdin is not None):
            return payload.values
        return (self.command(job),)

    def column(self, place: int) -> bytes:
        """What the value at a place (from 0) is called: its column's name, or the number of its source."""
        if self._width:
            place %= self._width
        return self.names[place] if place < len(self.names) else b"%d" % (place + 1)

    def sent(self, job: Job) -> int:
        """Bytes that the job was given on stdin."""
        payload = self.payload(job)
        return payload.stdin[2] if payload is not None and payload.stdin is not None else 0

    @property
    def tagged(self) -> bool:
        """Whether output is tagged."""
        return self._tag is not None

    def tag(self, job: Job, slot: int = 0) -> bytes:
        """What stands in front of each line of its output; empty: nothing."""
        if self._tag is None:
            return b""
        return self.fill(self._tag, job, slot) + b"\t"

    def parts(self, text: bytes) -> Parts:
        """A text cut at its placeholders."""
        return self._reader.read(text)

    def fill(self, parts: Parts, job: Job, slot: int = 0) -> bytes:
        """A text with the job's values in its placeholders, as they are."""
        filled = [parts.texts[0]]
        for mark, text in zip(parts.marks, parts.texts[1:], strict=True):
            if mark.kind == "values":
                value = mark.of(self.values(job), unquoted)
            else:
                value = b"%d" % (slot if mark.kind == "slot" else seq_of(job.id))
            filled += (value, text)
        return b"".join(filled)
