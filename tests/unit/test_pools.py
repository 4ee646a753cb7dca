"""The pure and nearly pure parts of the pools: channel, capture, classification."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.errors import IllegalTransitionError
from parallel_runner.journal.segments import SegmentWriter, read_output
from parallel_runner.model.lifecycle import TRANSITIONS, FailureClass, State, check_transition
from parallel_runner.model.outcome import Output
from parallel_runner.pools import frames
from parallel_runner.pools.capture import INLINE, Stream
from parallel_runner.pools.channel import Channel, ChannelError
from parallel_runner.pools.classify import TIMED_OUT, Ending, classify


def capture(tmp_path: Path, data: bytes, limit: int) -> tuple[Output, bytes]:
    """What a stream keeps of `data`, and that read back."""
    segment = SegmentWriter(str(tmp_path), "one.seg")
    stream = Stream(segment)
    stream.begin(limit)
    view = memoryview(data)
    while view:
        view = view[os.write(stream.write_fd, view[:60_000]) :]
        while stream.read():
            pass
    output = stream.finish()
    stream.close()
    segment.close()
    return output, b"".join(read_output(str(tmp_path), output))


@pytest.mark.parametrize("size", [0, 1, INLINE, INLINE + 1, 300_000, 1_000_000])
def test_output_within_the_limit_is_whole(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    output, kept = capture(tmp_path, data, 1_000_000)
    assert kept == data
    assert (output.size, output.truncated) == (size, False)


@pytest.mark.parametrize("limit", [2, 10, 5000, 400_001])
def test_output_over_the_limit_keeps_head_and_tail(tmp_path: Path, limit: int) -> None:
    data = os.urandom(1_000_003)
    output, kept = capture(tmp_path, data, limit)
    head, tail = limit - limit // 2, limit // 2
    assert kept.startswith(data[:head] + b"\n[parallel-runner: ")
    assert kept.endswith(b"not kept]\n" + data[len(data) - tail :])
    assert (output.size, output.truncated) == (len(data), True)
    assert len(kept) < limit + 80


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 50))
def test_frames_survive_any_cutting(bodies: list[bytes], step: int) -> None:
    left, right = socket.socketpair()
    channel = Channel(right)
    data = b"".join(frames.records(body) for body in bodies)
    received = []
    for start in range(0, len(data), step):
        left.sendall(data[start : start + step])
        received += [bytes(body) for _, body in channel.receive()]
    assert received == bodies
    left.close()
    assert list(channel.receive()) == []
    assert channel.closed
    channel.close()


def test_full_channel_never_blocks_and_loses_nothing() -> None:
    one, other = Channel.pair()
    body = os.urandom(3_000_000)
    one.send(frames.records(body))
    assert one.backlog
    received: list[bytes] = []
    while not received:
        one.flush()
        received += [bytes(part) for _, part in other.receive()]
    assert received == [body]
    one.close()
    other.close()


def test_nonsense_on_a_channel_is_an_error() -> None:
    left, right = socket.socketpair()
    channel = Channel(right)
    left.sendall(b"\xff" * 20)
    with pytest.raises(ChannelError):
        list(channel.receive())
    left.close()
    channel.close()


@pytest.mark.parametrize(
    ("status", "ending", "escaped", "expected"),
    [
        (0, None, False, (State.SUCCEEDED, None, 0, None)),
        (3 << 8, None, False, (State.FAILED, FailureClass.EXIT, 3, None)),
        (9, None, False, (State.FAILED, FailureClass.SIGNAL, None, 9)),
        (15, Ending(*TIMED_OUT), False, (State.TIMED_OUT, FailureClass.TIMEOUT, None, 15)),
        (None, Ending(*TIMED_OUT), True, (State.TIMED_OUT, FailureClass.ESCAPED, None, None)),
        (0, None, True, (State.FAILED, FailureClass.ESCAPED, 0, None)),
    ],
)
def test_ends_have_their_names(status: int | None, ending: Ending | None, escaped: bool, expected: object) -> None:
    assert classify(status, ending, escaped=escaped, partial_exit=None) == expected


def test_partial_answers_succeed_for_in_process_tools_only() -> None:
    assert classify(3 << 8, None, escaped=False, partial_exit=3).state is State.SUCCEEDED
    assert classify(3 << 8, None, escaped=False, partial_exit=None).state is State.FAILED


def test_transitions_are_closed() -> None:
    assert set(TRANSITIONS) == set(State)
    check_transition(State.READY, State.LEASED, job="b1.1")
    with pytest.raises(IllegalTransitionError, match=r"job b1\.1: running may not follow succeeded: told twice"):
        check_transition(State.SUCCEEDED, State.RUNNING, job="b1.1", story=["told twice"])
