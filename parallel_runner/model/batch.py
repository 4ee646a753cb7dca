"""A batch: jobs submitted together, that resume as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parallel_runner.model.job import JobSpec
from parallel_runner.model.terms import Terms


class BatchHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a batch before its jobs are read."""

    name: str = ""
    cwd: bytes = b"/"
    identity: bytes = b""
    """What `--resume` without an id looks for: the command template, or the batch file's path."""
    results: str = ""
    """Directory or file that results are also written to; part of how `--resume` finds its batch."""
    terms: tuple[Terms, ...] = ()


class BatchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A whole batch, as a batch file gives it."""

    header: BatchHeader
    jobs: Sequence[JobSpec]
