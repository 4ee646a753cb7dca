"""Slots of one home, shared by several owners; room on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from parallel_runner.clock import FakeClock
from parallel_runner.journal import disk, owners
from parallel_runner.journal.layout import StateLayout
from parallel_runner.runner.requests import drop_stale, take_requests
from parallel_runner.runner.room import PATIENCE, Room
from parallel_runner.runner.slots import BLOCK, Slots
from tests.support.journals import open_journal


def test_blocks_are_taken_as_they_are_needed_and_shared(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    first, second = (owners.register(journal, "run") for _ in range(2))
    clock = FakeClock()
    mine = Slots(journal, first.token, 10, 8, clock)
    yours = Slots(journal, second.token, 10, 8, clock)
    assert mine.cover(1) == BLOCK, "one job needs one block, not all that was asked for"
    assert yours.cover(8) == 6
    assert yours.scarce
    assert mine.cover(8) == BLOCK
    assert mine.scarce
    owners.unregister(journal, second)
    assert mine.cover(8) == BLOCK, "asked again only after a while"
    clock.advance(1.0)
    assert mine.cover(8) == 8
    assert not mine.scarce
    owners.unregister(journal, first)
    journal.close()


def test_a_locked_journal_is_not_waited_for(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    owner = owners.register(journal, "run")
    other = open_journal(tmp_path)
    slots = Slots(journal, owner.token, 10, 2, FakeClock())
    with other.transaction():
        assert slots.cover(2) == 0
    assert slots.cover(2) == 2
    owners.unregister(journal, owner)
    other.close()
    journal.close()


def test_requests_are_taken_once_and_those_to_the_dead_are_dropped(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    layout = journal.layout
    owner = owners.register(journal, "run")
    for name, text in ((f"{owner.token}.1", "17\n"), (f"{owner.token}.2", "rubbish"), ("gone.1", "18\n")):
        Path(layout.requests, name).write_text(text)
    assert take_requests(layout, owner.token) == [17]
    assert take_requests(layout, owner.token) == []
    assert os.listdir(layout.requests) == ["gone.1"]
    drop_stale(layout, lambda token: owners.is_alive(layout, token))
    assert os.listdir(layout.requests) == []
    owners.unregister(journal, owner)
    journal.close()


def test_room_is_told_once_and_given_up_after_a_while(tmp_path: Path) -> None:
    layout = StateLayout(str(tmp_path))
    clock = FakeClock()
    enough = Room(layout, 1, clock)
    assert not enough.look() and not enough.shortage
    short = Room(layout, disk.free_bytes(str(tmp_path)) * 2, clock)
    assert short.look()
    assert "min_free_disk" in short.shortage
    clock.advance(2.0)
    assert not short.look(), "told once"
    assert not short.hopeless
    clock.advance(PATIENCE)
    short.look()
    assert short.hopeless
