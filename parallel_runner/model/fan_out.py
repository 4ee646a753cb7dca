"""A job that becomes many once another has succeeded: one for each thing that the other found."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from parallel_runner.model.terms import Terms

FAN_OUT = "foreach"
"""What stands in place of a tool: no worker runs it, it is carried out where the batch is run."""
MAX_ITEMS = 100_000
"""Jobs that one `foreach` may become."""

View = Literal["files", "lines", "json"]


class FanOut(msgspec.Struct, frozen=True):
    """The payload of such a job."""

    source: int
    """Place of the job whose result is read."""
    view: View
    """files: distinct paths of its records. lines: of its stdout. json: the records themselves."""
    tool: str
    template: dict[str, Any]
    """The job's keys as the batch file has them, with placeholders."""
    name: str
    """What the jobs are called: with placeholders, or else with a number after it."""
    base: Terms
    """On what terms they run where the template says nothing."""
    here: str
    """The directory that relative directories in it are relative to."""


decode = msgspec.msgpack.Decoder(FanOut).decode
encode = msgspec.msgpack.Encoder().encode


def describe(payload: bytes) -> bytes:
    """The job in one line."""
    fan_out = decode(payload)
    return f"foreach {fan_out.view} of job {fan_out.source}: {fan_out.tool}".encode()
