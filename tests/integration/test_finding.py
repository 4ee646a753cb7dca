"""Jobs are found by the ids that were given to them, then by their places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from parallel_runner.errors import UsageError
from parallel_runner.ids import job_id
from parallel_runner.journal.store import Journal
from parallel_runner.reports.finding import find_attempt, find_job
from tests.support.journals import make_batch, open_journal, specs


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A batch of five jobs, the first four with ids, and one of two jobs."""
    journal = open_journal(tmp_path)
    names = ("2", "1", "build", "build.7", "")
    make_batch(
        journal, [msgspec.structs.replace(spec, name=name) for spec, name in zip(specs(5), names, strict=True)]
    )
    make_batch(journal, specs(2))
    yield journal
    journal.close()


@pytest.mark.parametrize(
    ("name", "seq", "number"),
    [
        ("b1.2", 1, None),
        ("b1.1", 2, None),
        ("1.build", 3, None),
        ("b1.3", 3, None),
        ("b1.2.1", 1, 1),
        ("b1.5.200", 5, 200),
        ("b1.build.2", 3, 2),
        ("b1.build.7", 4, None),
        ("b1.build.7.1", 4, 1),
    ],
)
def test_ids_come_before_places(journal: Journal, name: str, seq: int, number: int | None) -> None:
    batch, job, attempt = find_attempt(journal, name)
    assert (batch.id, job, attempt) == (1, job_id(1, seq), number)
    assert find_job(journal, name) == (batch, job)


@pytest.mark.parametrize(
    "name", ["b1.6", "b1.0", "b1", "b1.", "b1.2.x", f"b1.{(3 << 32) + 1}", "b1.\udcff", "b1.\u00b2"]
)
def test_what_is_not_there_is_told(journal: Journal, name: str) -> None:
    with pytest.raises(UsageError, match=r"the last job of its batch is b1\.5"):
        find_job(journal, name)
