"""Opening what may not be a journal, or not ours to write, and what is said then."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from parallel_runner.errors import DiskFullError, JournalBusyError, JournalCorruptError, StateError
from parallel_runner.journal import statements
from parallel_runner.journal.connection import connect, translated
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.store import Journal
from tests.support.journals import make_batch, open_journal, specs

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


def test_rubbish_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(JournalCorruptError, match=r"integrity_check.*mv .*\.damaged") as caught:
        connect(str(path))
    assert str(path) in str(caught.value)
    assert path.read_bytes().startswith(b"this is no database")


HALF_MADE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
if sys.argv[2] == "wal":
    connection.execute("PRAGMA journal_mode = WAL")
elif sys.argv[2] == "begun":
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("PRAGMA cache_spill = 1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE t (x)")
    for _ in range(200):
        connection.execute("INSERT INTO t VALUES (zeroblob(4000))")
os._exit(0)
"""


@pytest.mark.parametrize("how_far", ["empty", "wal", "begun"])
def test_who_reads_finishes_a_journal_whose_maker_was_killed(tmp_path: Path, how_far: str) -> None:
    layout = StateLayout(str(tmp_path))
    layout.create()
    Path(layout.journal).touch(0o600)
    subprocess.run([sys.executable, "-c", HALF_MADE, layout.journal, how_far], check=True)
    assert os.path.exists(f"{layout.journal}-journal") == (how_far == "begun")
    reader = Journal(layout, read_only=True)
    assert reader.batches(9) == []
    reader.close()


def test_a_damaged_page_is_told(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    batch = make_batch(journal, specs(2000))
    journal.close()
    path = Path(journal.layout.journal)
    data = bytearray(path.read_bytes())
    data[4096 * 3 :] = b"\xaa" * (len(data) - 4096 * 3)
    path.write_bytes(data)
    journal = open_journal(tmp_path)
    with pytest.raises(JournalCorruptError, match="damaged"):
        journal.pending_jobs(batch, 0, 2000)
    journal.close()


def test_a_newer_journal_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.db")
    connect(path).close()
    newer = len(statements.migrations()) + 1
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {newer}")
    connection.close()
    for read_only in (False, True):
        with pytest.raises(StateError, match=f"newer version .schema {newer}.*upgrade parallel-runner"):
            connect(path, read_only=read_only)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (newer,)
    connection.close()


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nothing has been run"):
        Journal(StateLayout(str(tmp_path / "state")), read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_what_is_committed_and_can_write_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    batch = make_batch(journal, specs(3))
    reader = Journal(journal.layout, read_only=True)
    assert reader.count_jobs(batch) == 3
    with pytest.raises(StateError, match=r"readonly.*check the permissions"):
        reader.create_batch(reader.batch(batch).header, "me", "x")
    reader.close()
    journal.close()


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_durability(durability: str, level: int, tmp_path: Path) -> None:
    connection = connect(str(tmp_path / "journal.db"), durability=durability)
    assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()


def test_a_second_opener_does_not_take_the_first_ones_locks(tmp_path: Path) -> None:
    first = open_journal(tmp_path)
    batch = make_batch(first, specs(1))
    open_journal(tmp_path).close()
    # A process of its own: locks of one process do not stand in its own way.
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0); "
        "c.execute('PRAGMA locking_mode = EXCLUSIVE'); print(c.execute('PRAGMA journal_mode = DELETE').fetchone())"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, first.layout.journal], capture_output=True, text=True, check=False
    )
    assert "locked" in told.stderr
    assert first.count_jobs(batch) == 1
    first.close()


def open_and_write(directory: str, count: int) -> None:
    journal = Journal(StateLayout(directory))
    for _ in range(count):
        while True:
            try:
                make_batch(journal, specs(5))
                break
            except JournalBusyError:
                continue
    journal.close()


def test_many_make_and_write_one_journal_at_once(tmp_path: Path) -> None:
    context = get_context("fork")
    directory = str(tmp_path / "state")
    processes = [context.Process(target=open_and_write, args=(directory, 25)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    journal = Journal(StateLayout(directory))
    rows = journal.batches(1000)
    # A batch whose flush was refused was made again: its number was used up, and it has no jobs.
    assert sum(journal.count_jobs(row.id) == 5 for row in rows) == 100
    assert journal.read("read_batch", (rows[0].id,))
    journal.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StateError, match="check the directory's permissions, or choose --home"):
        open_journal(tmp_path)
    tmp_path.chmod(0o700)


@pytest.fixture
def read_only_mount(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@as_root
@pytest.mark.root
def test_a_read_only_file_system(read_only_mount: Path) -> None:
    with pytest.raises(StateError, match=r"Read-only file system.*choose --home"):
        open_journal(read_only_mount)


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("database is locked", JournalBusyError, "try again"),
        ("database or disk is full", DiskFullError, "free some"),
        ("file is not a database", JournalCorruptError, "move it aside"),
        ("database disk image is malformed", JournalCorruptError, "integrity_check"),
        ("attempt to write a readonly database", StateError, "check the permissions"),
        ("unable to open database file", StateError, "check the permissions"),
        ("disk I/O error", StateError, "dmesg"),
        ("something else", StateError, "something else"),
    ],
)
def test_each_trouble_is_told_with_what_to_do(text: str, kind: type, hint: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=hint) as caught, translated(str(tmp_path / "journal.db")):
        raise sqlite3.OperationalError(text)
    assert type(caught.value) is kind
    assert str(tmp_path) in str(caught.value)
