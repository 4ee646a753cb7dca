"""`run --dry-run`: the commands that would run, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from parallel_runner.ids import job_id
from parallel_runner.model.batch import Presentation
from parallel_runner.model.job import Job, JobSpec
from parallel_runner.runner.labels import Labels
from parallel_runner.runner.one_shot import NewBatch
from parallel_runner.runner.printing import tagged
from parallel_runner.runner.regiven import read_specs
from parallel_runner.workflows.stream_blocks import BlockMaker


def print_commands(new: NewBatch, slots: int) -> int:
    """Print each job's command line on stdout; returns the exit code."""
    labels = Labels(new.header.terms, Presentation.unpacked(new.header.results))
    out = sys.stdout.buffer
    for seq, spec in enumerate(specs_of(new), 1):
        job = Job(job_id(0, seq), spec.terms, spec.payload)
        slot = (seq - 1) % slots + 1
        out.write(tagged(labels.command(job, slot) + b"\n", labels.tag(job, slot), fresh=True))
    out.flush()
    return os.EX_OK


def specs_of(new: NewBatch) -> Iterator[JobSpec]:
    """The jobs of a batch that is not going to be made; input is read, and nothing is kept of a stream.

    Raises:
        InputUnreadableError: the input cannot be read.
    """
    if new.jobs is not None:
        yield from new.jobs
        return
    assert new.make is not None
    if isinstance(new.make, BlockMaker):
        new.make.store = lambda _: ("", 0)
    yield from read_specs(new.source, new.make, new.begun)
