"""A full disk: told clearly, nothing recorded is lost, and the ballast lets ends be written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from parallel_runner.errors import DiskFullError
from parallel_runner.journal import disk
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.prune import prune
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome, Output
from tests.support.journals import attempt, done, make_batch, open_journal, record, specs

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_the_ballast_is_really_there(tmp_path: Path) -> None:
    layout = StateLayout(str(tmp_path))
    assert disk.drop_ballast(layout) == 0
    assert disk.ensure_ballast(layout, 1 << 20)
    assert os.stat(layout.ballast).st_blocks * 512 >= 1 << 20
    assert disk.ensure_ballast(layout, 1 << 20)
    assert disk.drop_ballast(layout) >= 1 << 20
    assert not os.path.exists(layout.ballast)


def test_free_space_is_what_the_system_says(tmp_path: Path) -> None:
    told = subprocess.run(
        ["df", "-B1", "--output=avail,size", str(tmp_path)], capture_output=True, text=True, check=True
    )
    available, size = map(int, told.stdout.split()[2:])
    assert abs(disk.free_bytes(str(tmp_path)) - available) < 64 << 20
    assert 0 < disk.floor(str(tmp_path), 1 << 60) <= size // 20 + 4096
    assert disk.floor(str(tmp_path), 1) == 1


def test_too_little_room_is_refused_in_words(tmp_path: Path) -> None:
    layout = StateLayout(str(tmp_path))
    assert disk.shortage(layout, 1) == ""
    told = disk.shortage(layout, 1 << 60)
    assert "min_free_disk" in told and "--home" in told


@as_root
@pytest.mark.root
def test_nothing_is_lost_on_a_full_disk(small: Path) -> None:
    journal = open_journal(small)
    assert disk.ensure_ballast(journal.layout, 2 << 20)
    batch = make_batch(journal, specs(2000))
    filler = small / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.free_bytes(str(small)) - (64 << 10))
    ended = 0
    with pytest.raises(DiskFullError, match=r"no space left.*resume"):
        while ended < 2000:
            journal.add_outcomes([(done(attempt(batch, seq)), True) for seq in range(ended + 1, ended + 51)])
            ended += 50
            journal.flush()
    assert 0 < ended < 2000
    with pytest.raises(DiskFullError):
        journal.flush()
    assert journal.pending_rows == 50
    assert disk.drop_ballast(journal.layout) > 0
    journal.flush()
    assert journal.tally(batch) == {State.SUCCEEDED: ended}
    assert journal.count_pending(batch) == 2000 - ended
    assert not disk.ensure_ballast(journal.layout, 8 << 20)
    assert os.stat(journal.layout.ballast).st_size == 0
    journal.close()


def fill(place: Path) -> None:
    with (place / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.free_bytes(str(place)))


@as_root
@pytest.mark.root
def test_what_is_old_can_be_removed_from_a_full_disk(small: Path) -> None:
    journal = open_journal(small)
    layout = journal.layout
    assert disk.ensure_ballast(layout)
    for _ in range(3):
        batch = make_batch(journal, specs(300))
        for seq in range(1, 301):
            out = Output(3000, b"o" * 3000)
            journal.add_outcomes([(Outcome(attempt(batch, seq), State.SUCCEEDED, out=out), True)])
        journal.end_batch(batch, "done")
    journal.flush()
    journal.close()
    fill(small)
    with pytest.raises(DiskFullError):
        open_journal(small)
    before = os.stat(layout.journal).st_size
    assert disk.make_room(layout) > 0
    journal = open_journal(small)
    pruned = prune(journal, 30, datetime.now(timezone.utc) + timedelta(days=40))
    assert (pruned.batches, pruned.rows) == (3, 1800)
    assert journal.batches(9) == []
    journal.close()
    assert before > 3_000_000
    assert disk.free_bytes(str(small)) > before // 2


@as_root
@pytest.mark.root
def test_steps_become_smaller_until_they_fit(small: Path) -> None:
    journal = open_journal(small)
    batch = make_batch(journal, specs(2000))
    out = Output(600, b"o" * 600)
    record(journal, *(Outcome(attempt(batch, seq), State.SUCCEEDED, out=out) for seq in range(1, 2001)))
    journal.end_batch(batch, "done")
    journal.flush()
    journal.read("checkpoint")
    # All of the log is in the database, and it is written from its start again; 500 rows at once would take more.
    os.truncate(f"{journal.layout.journal}-wal", 48 << 10)
    fill(small)
    assert prune(journal, 30, datetime.now(timezone.utc) + timedelta(days=40)).rows == 4000
    journal.close()


def test_the_reserve_is_given_up_only_where_little_is_left(tmp_path: Path) -> None:
    layout = StateLayout(str(tmp_path / "none"))
    assert disk.make_room(layout) == 0
    layout = StateLayout(str(tmp_path))
    assert disk.ensure_ballast(layout, 1 << 20)
    assert disk.free_bytes(str(tmp_path)) >= disk.BALLAST
    assert disk.make_room(layout) == 0
    assert os.path.exists(layout.ballast)


@as_root
@pytest.mark.root
def test_a_journal_cannot_be_made_on_a_full_disk(small: Path) -> None:
    with (small / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.free_bytes(str(small)))
    with pytest.raises(DiskFullError, match="no space left"):
        open_journal(small)
