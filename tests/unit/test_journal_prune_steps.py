"""The size of a step that prunes."""

from __future__ import annotations

import pytest

from parallel_runner.journal.prune import STEP_SECONDS, next_step


@pytest.mark.parametrize(
    ("step", "seconds", "expected"),
    [
        (1000, STEP_SECONDS * 2, 500),
        (1000, STEP_SECONDS / 10, 2000),
        (1000, STEP_SECONDS / 2, 1000),
        (60, STEP_SECONDS * 2, 50),
        (20_000, 0.0, 20_000),
    ],
)
def test_steps_follow_the_time_they_take(step: int, seconds: float, expected: int) -> None:
    assert next_step(step, seconds) == expected
