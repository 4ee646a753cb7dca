"""Who follows a job's output: told all of it while it reads, and never waited for when it does not."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.segments import SegmentWriter, read_output
from parallel_runner.model.outcome import Output
from parallel_runner.pools.capture import SPILL, Stream
from parallel_runner.pools.following import MOST_WAITING, Began, Followers, Kept, Over, Piece, Told, unpack
from parallel_runner.reports.live import Following
from parallel_runner.reports.workers import LiveWorker
from tests.support.journals import hold_lock

ATTEMPT = (1 << 40) | (1 << 8) | 1


class Place:
    """A worker's end: two streams and its followers, and FIFOs to ask by."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "following"
        self.directory.mkdir()
        self.outputs = directory
        self.segment = SegmentWriter(str(directory), "w.seg")
        self.out, self.err = Stream(self.segment), Stream(self.segment)
        for stream in (self.out, self.err):
            stream.begin(10_000_000)
        self.poller = select.poll()
        self.followers = Followers(str(self.directory), "w", self.poller, self.out, self.err)
        self.readers: list[int] = []

    def ask(self) -> int:
        """A reader's end."""
        path = self.directory / f"w.{len(self.readers)}"
        os.mkfifo(path)
        self.readers.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        return self.readers[-1]

    def write(self, data: bytes, stream: Stream | None = None) -> None:
        """What the job writes."""
        stream = stream or self.out
        view = memoryview(data)
        while view:
            view = view[os.write(stream.write_fd, view[:60_000]) :]
            while stream.read():
                pass

    def serve(self) -> None:
        """What the worker's loop does between two pieces."""
        for fd, _ in self.poller.poll(0):
            self.followers.attend(fd)

    def close(self) -> None:
        self.followers.leave()
        for fd in self.readers:
            os.close(fd)
        for stream in (self.out, self.err):
            stream.close()
        self.segment.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path)
    yield one
    one.close()


def told(fd: int, place: Place) -> list[Told]:
    """All that a reader gets, the worker's loop turning beside it."""
    buffer, found = bytearray(), list[Told]()
    while True:
        place.serve()
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return found
        if not data:
            return found
        buffer += data
        found += unpack(buffer)


def test_what_was_and_what_comes(place: Place) -> None:
    place.write(b"x" * (SPILL + 10))
    place.write(b"early", place.err)
    fd = place.ask()
    place.followers.look(ATTEMPT)
    assert os.listdir(place.directory) == [], "met: the name is needed no more"
    place.write(b"late")
    place.followers.end()
    began, kept, *rest = told(fd, place)
    assert began == Began(ATTEMPT)
    assert isinstance(kept, Kept)
    whole = b"".join(read_output(str(place.outputs), Output(extents=kept.extents)))
    for one in rest[:-1]:
        assert isinstance(one, Piece)
        if one.stream == 1:
            assert one.offset == len(whole)
            whole += one.data
        else:
            assert one == Piece(2, 0, b"early")
    assert whole == b"x" * (SPILL + 10) + b"late"
    assert rest[-1] == Over()
    assert os.read(fd, 1) == b"", "closed"


def test_one_that_does_not_read_costs_no_more_than_is_allowed(place: Place) -> None:
    slow, quick = place.ask(), place.ask()
    place.followers.look(ATTEMPT)
    got = 0
    for _ in range(40):
        place.write(b"y" * 500_000)
        got += sum(len(one.data) for one in told(quick, place) if isinstance(one, Piece))
    assert got == 20_000_000
    place.followers.end()
    pieces = [one for one in told(slow, place) if isinstance(one, Piece)]
    shown = sum(len(one.data) for one in pieces)
    assert shown <= MOST_WAITING + 200_000
    ends = [one.offset + len(one.data) for one in pieces]
    assert all(one.offset >= end for one, end in zip(pieces[1:], ends, strict=False)), "in order, with gaps"
    assert place.out.finish().size == 20_000_000, "what is kept has no part in it"


def test_one_that_goes_away_is_forgotten(place: Place) -> None:
    fd = place.ask()
    place.followers.look(ATTEMPT)
    place.readers.remove(fd)
    os.close(fd)
    place.write(b"a")
    place.serve()
    assert place.out.tee is None, "the next piece costs nothing any more"
    assert not place.poller.poll(0)
    fd = place.ask()
    place.followers.look(ATTEMPT)
    assert place.out.tee is not None
    assert Piece(1, 0, b"a") in told(fd, place)


def test_nothing_in_hand_is_said(place: Place) -> None:
    fd = place.ask()
    place.followers.look(0)
    assert told(fd, place) == [Began(0), Over()]


def test_one_that_is_gone_before_it_was_met_leaves_nothing(place: Place) -> None:
    fd = place.ask()
    place.readers.remove(fd)
    os.close(fd)
    (place.directory / "other.1").touch()
    place.followers.look(ATTEMPT)
    assert os.listdir(place.directory) == ["other.1"], "another worker's is left alone"
    assert place.out.tee is None


def test_a_worker_that_never_answers_is_given_up_when_it_is_gone(tmp_path: Path) -> None:
    layout = StateLayout(str(tmp_path / "state"))
    layout.create()
    os.makedirs(layout.following)
    lock = hold_lock(layout.worker_lock("w"))
    Path(layout.following, "w.kept").touch()
    Path(layout.following, "dead.left").touch()
    following = Following(layout, LiveWorker("w", "run", "bash", 0, ATTEMPT, 0.0))
    pieces = following.pieces()
    assert next(pieces) == (0, b""), "it is waited for, and its caller hears of it"
    assert not Path(layout.following, "dead.left").exists()
    assert Path(layout.following, "w.kept").exists()
    lock.close()
    assert all(piece == (0, b"") for piece in pieces)
    assert not following.complete
    assert os.listdir(layout.following) == ["w.kept"]
