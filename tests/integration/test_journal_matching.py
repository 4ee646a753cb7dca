"""Resume with the input given again: the n-th line of a key is the n-th job of that key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parallel_runner.ids import seq_of
from parallel_runner.journal.matching import Matcher
from parallel_runner.journal.store import Journal
from parallel_runner.model.job import JobSpec
from tests.support.journals import attempt, done, failed, make_batch, open_journal, record


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


def batch_of_keys(journal: Journal, keys: Sequence[bytes]) -> int:
    return make_batch(journal, [JobSpec(payload=b"p" + key, key=key) for key in keys])


def told(journal: Journal, batch: int, keys: Sequence[bytes]) -> list[tuple[int, bool] | None]:
    matcher = Matcher(journal, batch)
    matches = matcher.match(keys)
    matcher.close()
    return [(seq_of(match.id), match.job is None) if match else None for match in matches]


def test_equal_lines_are_jobs_of_their_own(journal: Journal) -> None:
    batch = batch_of_keys(journal, [b"a", b"b", b"a", b"a"])
    record(journal, done(attempt(batch, 1)), done(attempt(batch, 2)), failed(attempt(batch, 4)))
    assert told(journal, batch, [b"a", b"a", b"a", b"a"]) == [(1, True), (3, False), (4, True), None]
    assert told(journal, batch, [b"new", b"b", b"a"]) == [None, (2, True), (1, True)]


def test_a_job_to_be_tried_again_is_not_done(journal: Journal) -> None:
    batch = batch_of_keys(journal, [b"a"])
    journal.add_outcomes([(failed(attempt(batch, 1)), False)])
    journal.flush()
    matcher = Matcher(journal, batch)
    (match,) = matcher.match([b"a"])
    matcher.close()
    assert match is not None
    assert match.job is not None
    assert (match.job.id, match.job.number, match.job.payload) == (match.id, 1, b"pa")


def test_lines_that_are_not_in_the_input_any_more(journal: Journal) -> None:
    batch = batch_of_keys(journal, [b"a", b"b", b"c", b"d"])
    record(journal, done(attempt(batch, 2)))
    matcher = Matcher(journal, batch)
    assert len(matcher.match([b"c"])) == 1
    assert sorted(seq_of(job) for job in matcher.unmatched()) == [1, 4]
    matcher.close()


def test_other_batches_take_no_part(journal: Journal) -> None:
    batch_of_keys(journal, [b"a"] * 3)
    batch = batch_of_keys(journal, [b"a"])
    batch_of_keys(journal, [b"a"] * 3)
    assert told(journal, batch, [b"a", b"a"]) == [(1, False), None]


def test_matching_keeps_no_writer_waiting(journal: Journal) -> None:
    batch = batch_of_keys(journal, [b"a", b"b"])
    other = Journal(journal.layout)
    matcher = Matcher(journal, batch)
    with other.transaction():
        assert len(matcher.match([b"a"])) == 1
        # One that was left open is simply replaced.
        assert Matcher(journal, batch).match([b"a"])[0] is not None
    other.close()


letters = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=letters, after=letters, size=st.integers(1, 4))
def test_it_is_what_counting_would_say(
    journal: Journal, before: list[bytes], after: list[bytes], size: int
) -> None:
    batch = batch_of_keys(journal, before)
    matcher = Matcher(journal, batch)
    matches = [match for at in range(0, len(after), size) for match in matcher.match(after[at : at + size])]
    expected = []
    for place, key in enumerate(after):
        same = [seq for seq, old in enumerate(before, start=1) if old == key]
        nth = after[:place].count(key)
        expected.append(same[nth] if nth < len(same) else None)
    assert [seq_of(match.id) if match else None for match in matches] == expected
    left = sorted(seq_of(job) for job in matcher.unmatched())
    assert left == sorted(set(range(1, len(before) + 1)) - {seq for seq in expected if seq})


def test_many_equal_lines(journal: Journal) -> None:
    batch = batch_of_keys(journal, [b"a"] * 2500 + [b"b"] * 2500)
    matcher = Matcher(journal, batch)
    lines = [b"b"] * 1200 + [b"a"] * 100
    assert [seq_of(match.id) for match in matcher.match(lines) if match] == [*range(2501, 3701), *range(1, 101)]
    assert sorted(seq_of(job) for job in matcher.unmatched()) == [*range(101, 2501), *range(3701, 5001)]
    matcher.close()
