"""Outcomes and leases survive the way through their rows."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.journal import statements
from parallel_runner.journal.rows import outcome_from, outcome_row, pack_attempts, unpack_attempts
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Extent, Outcome, Output, Usage

ids = st.integers(1, (1 << 63) - 1)
seconds = st.floats(0, 1e9, allow_nan=False)
sizes = st.integers(0, 1 << 50)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
outputs = st.builds(
    Output,
    size=sizes,
    inline=st.binary(max_size=30),
    extents=st.lists(st.builds(Extent, text, sizes, sizes), max_size=3).map(tuple),
    truncated=st.booleans(),
)
outcomes = st.builds(
    Outcome,
    attempt=ids,
    state=st.sampled_from(State),
    failure=st.none() | st.sampled_from(FailureClass),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    started_at=seconds,
    usage=st.builds(Usage, seconds, seconds, seconds, st.none() | sizes),
    out=outputs,
    err=outputs,
    worker=text,
    containment=text,
    detail=text,
    partial=st.booleans(),
)


@given(outcomes, st.booleans())
def test_an_outcome_comes_back_as_it_was(outcome: Outcome, final: bool) -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(statements.schema())
    connection.execute(statements.get("add_outcome"), outcome_row(outcome, final))
    row = connection.execute("SELECT * FROM outcomes").fetchone()
    connection.close()
    assert outcome_from(row) == outcome
    assert bool(row[1]) == final


def test_defaults_take_no_room() -> None:
    row = outcome_row(Outcome(1, State.SUCCEEDED, exit_code=0), True)
    assert [value for value in row if value is not None] == [1, 1, "succeeded", 0]


@given(st.lists(ids, max_size=40))
def test_leases_come_back_as_they_were(attempts: list[int]) -> None:
    assert unpack_attempts(pack_attempts(attempts)) == tuple(attempts)
