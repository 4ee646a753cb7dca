"""A batch: jobs submitted together, that resume as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from parallel_runner.model.job import JobSpec
from parallel_runner.model.terms import Terms

OnFailure = Literal["continue", "stop", "pause"]


class Group(msgspec.Struct, frozen=True, omit_defaults=True):
    """Jobs that can be waited for as for one: it ends with the last of them, and succeeds when all of them did.

    Its place is GROUP_BASE plus its index among the batch's groups; who belongs to it stands with the dependencies.
    """

    name: str
    kind: Literal["foreach", "phase", "main"] = "foreach"
    """phase: what follows waits for its barrier. main: everything but the last jobs."""


class BatchRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds for a batch as a whole."""

    on_failure: OnFailure = "continue"
    """What a job's failure means for the others: nothing; what has not started is skipped; nothing new starts."""
    deadline: float | None = None
    """Seconds of one run after which what runs is ended and what has not started is skipped."""
    retry_budget: int | None = None
    """Attempts after failed ones, of all jobs together, in one run."""
    barrier_timeout: float | None = None
    """Seconds without progress of a phase after which the failure policy is followed; None: as is configured."""
    barrier_delay: float | None = None
    """Seconds between the end of a phase and the start of the next; None: as is configured."""
    groups: tuple[Group, ...] = ()
    finale: tuple[int, int] | None = None
    """First and last place of the jobs that run after everything else."""


class Presentation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a batch's results are shown and written besides; kept, so that who goes on with it goes on with that."""

    joblog: str = ""
    """Absolute path of GNU parallel's log; `+` in front: it is gone on with."""
    results: str = ""
    """Absolute directory or file that results are also written to."""
    tag: bytes | None = None
    """What each line of output stands behind; has placeholders."""
    keep_order: bool = False
    """Outputs come in the order of the input."""
    names: tuple[bytes, ...] = ()
    """Of the columns."""
    plus: bool = False
    renames: tuple[tuple[bytes, bytes], ...] = ()
    """Other spellings of placeholders."""
    width: int = 0
    """Values in a row where a job may have several rows; 0: a job has one."""

    def packed(self) -> str:
        """As the journal keeps it; empty when nothing is said."""
        return "" if self == _NOTHING else _encode(self).decode()

    @classmethod
    def unpacked(cls, text: str) -> Presentation:
        """From what the journal keeps; a bare path is one of results, from before there was more to say."""
        if not text.startswith("{"):
            return cls(results=text)
        return _decode(text)


_NOTHING = Presentation()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Presentation).decode


class BatchHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a batch before its jobs are read."""

    name: str = ""
    cwd: bytes = b"/"
    identity: bytes = b""
    """What `--resume` without an id looks for: the command template, or the batch file's path."""
    results: str = ""
    """A packed Presentation; part of how `--resume` finds its batch."""
    terms: tuple[Terms, ...] = ()
    rules: BatchRules = BatchRules()


class BatchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A whole batch, as a batch file gives it."""

    header: BatchHeader
    jobs: Sequence[JobSpec]
