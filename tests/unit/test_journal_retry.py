"""What follows an outcome, as a table."""

from __future__ import annotations

import pytest

from parallel_runner.ids import MAX_ATTEMPTS
from parallel_runner.model.lifecycle import FailureClass as F
from parallel_runner.model.lifecycle import State as S
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.retry import decide
from parallel_runner.model.terms import RetryPolicy, Terms

FAILED = Outcome(1, S.FAILED, F.EXIT, exit_code=1)
TIMED_OUT = Outcome(1, S.TIMED_OUT, F.TIMEOUT)
LOST = Outcome(1, S.FAILED, F.WORKER_LOST)
UNKNOWN = Outcome(1, S.UNKNOWN, F.UNKNOWN)
TWICE = Terms(retry=RetryPolicy(max=2))
ON_75 = Terms(retry=RetryPolicy(max=2, on=("exit:75", "timeout")))


@pytest.mark.parametrize(
    ("outcome", "terms", "number", "losses", "state", "final"),
    [
        (Outcome(1, S.SUCCEEDED), TWICE, 1, 0, S.SUCCEEDED, True),
        (Outcome(1, S.CANCELLED, F.CANCELLED), TWICE, 1, 0, S.CANCELLED, True),
        (Outcome(1, S.REJECTED, F.POLICY), TWICE, 1, 0, S.REJECTED, True),
        (FAILED, Terms(), 1, 0, S.FAILED, True),
        (FAILED, TWICE, 1, 0, S.FAILED, False),
        (FAILED, TWICE, 2, 0, S.FAILED, False),
        (FAILED, TWICE, 3, 0, S.FAILED, True),
        # Lost attempts are not the user's retries.
        (FAILED, TWICE, 4, 2, S.FAILED, False),
        (FAILED, ON_75, 1, 0, S.FAILED, True),
        (Outcome(1, S.FAILED, F.EXIT, exit_code=75), ON_75, 1, 0, S.FAILED, False),
        (TIMED_OUT, ON_75, 1, 0, S.TIMED_OUT, False),
        (LOST, Terms(), 1, 1, S.FAILED, False),
        (LOST, Terms(), 2, 2, S.FAILED, False),
        (LOST, Terms(), 3, 3, S.QUARANTINED, True),
        (LOST, Terms(retry=RetryPolicy(lost_retries=0)), 1, 1, S.QUARANTINED, True),
        (Outcome(1, S.INTERRUPTED, F.INTERRUPTED), Terms(), 1, 0, S.INTERRUPTED, False),
        (UNKNOWN, Terms(), 1, 1, S.UNKNOWN, True),
        (UNKNOWN, Terms(idempotent=True), 1, 1, S.UNKNOWN, False),
        (UNKNOWN, Terms(idempotent=True, on_unknown="hold"), 1, 1, S.UNKNOWN, True),
        (UNKNOWN, Terms(on_unknown="rerun"), 1, 1, S.UNKNOWN, False),
        # What brings the whole machine down is not tried for ever.
        (UNKNOWN, Terms(on_unknown="rerun"), 3, 3, S.UNKNOWN, True),
        # There is no number for another attempt.
        (FAILED, Terms(retry=RetryPolicy(max=999)), MAX_ATTEMPTS, 0, S.FAILED, True),
        (LOST, Terms(retry=RetryPolicy(lost_retries=999)), MAX_ATTEMPTS, 9, S.QUARANTINED, True),
        (Outcome(1, S.INTERRUPTED, F.INTERRUPTED), Terms(), MAX_ATTEMPTS, 0, S.INTERRUPTED, True),
        (UNKNOWN, Terms(idempotent=True), MAX_ATTEMPTS, 1, S.UNKNOWN, True),
    ],
)
def test_what_follows(outcome: Outcome, terms: Terms, number: int, losses: int, state: S, final: bool) -> None:
    decision = decide(outcome, terms, number, losses, read_only=False)
    assert (decision.outcome.state, decision.final) == (state, final)


@pytest.mark.parametrize(("terms", "final"), [(Terms(), False), (Terms(idempotent=False), True)])
def test_a_read_only_tool_runs_again_unless_its_job_says_otherwise(terms: Terms, final: bool) -> None:
    assert decide(UNKNOWN, terms, 1, 1, read_only=True).final is final


def test_the_delay_doubles_up_to_its_bound() -> None:
    terms = Terms(retry=RetryPolicy(max=10, backoff=2.0, max_backoff=10.0))
    delays = [decide(FAILED, terms, number, 0, read_only=False).delay for number in (1, 2, 3, 4, 5)]
    assert delays == [2.0, 4.0, 8.0, 10.0, 10.0]
