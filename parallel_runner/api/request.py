"""What goes from the caller's process to the one that runs its batch."""

from __future__ import annotations

import msgspec

from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import JobSpec


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One batch to be run."""

    home: str | None
    """Directory of the home; None: as for the command line."""
    header: BatchHeader
    jobs: list[JobSpec]
    slots: str | None
    """As `-j` has it."""
    path: list[str]
    """Where modules are found: functions travel by name where they stand in one."""


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="end"):
    """The last line of an answer."""

    exit_code: int
    error: str = ""
    """Why there was no run, or why it could not go on."""


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Request).decode
