"""kill -9 of a writer at any moment: what it was told is committed is there, and every flush is there whole."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from multiprocessing import get_context
from pathlib import Path

from parallel_runner.errors import JournalBusyError
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.store import Journal
from tests.support.journals import attempt, done, make_batch, open_journal, specs

GROUP = 7


def write_until_killed(directory: str, batch: int, pipe: int) -> None:
    journal = Journal(StateLayout(directory))
    seq = 1
    while True:
        journal.add_jobs(batch, seq, specs(GROUP))
        journal.add_outcomes((done(attempt(batch, seq + i)), True) for i in range(GROUP))
        while journal.pending_rows:
            try:
                journal.flush()
            except JournalBusyError:
                continue
        seq += GROUP
        os.write(pipe, b"x")


def test_what_was_committed_outlives_its_writer(tmp_path: Path) -> None:
    context = get_context("fork")
    chance = random.Random(7)
    journal = open_journal(tmp_path)
    for _ in range(20):
        batch = make_batch(journal, [])
        reader, writer = os.pipe()
        process = context.Process(target=write_until_killed, args=(journal.layout.root, batch, writer))
        process.start()
        os.close(writer)
        told = 0
        for _ in range(chance.randrange(1, 60)):
            told += len(os.read(reader, 1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        while data := os.read(reader, 4096):
            told += len(data)
        os.close(reader)
        jobs = journal.count_jobs(batch)
        assert jobs >= told * GROUP
        assert jobs % GROUP == 0
        assert sum(journal.tally(batch).values()) == jobs
        assert journal.count_pending(batch) == 0
    journal.close()
    connection = sqlite3.connect(journal.layout.journal)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
