"""What follows an outcome, as a table."""

from __future__ import annotations

import pytest

from parallel_runner.ids import MAX_ATTEMPTS
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.retry import Past, decide
from parallel_runner.model.terms import RetryPolicy, Terms

FAILED = Outcome(1, State.FAILED, FailureClass.EXIT, exit_code=1)
TIMED_OUT = Outcome(1, State.TIMED_OUT, FailureClass.TIMEOUT)
LOST = Outcome(1, State.FAILED, FailureClass.WORKER_LOST)
STOPPED = Outcome(1, State.INTERRUPTED, FailureClass.INTERRUPTED)
UNKNOWN = Outcome(1, State.UNKNOWN, FailureClass.UNKNOWN)
TWICE = Terms(retry=RetryPolicy(max=2))
ON_75 = Terms(retry=RetryPolicy(max=2, on=("exit:75", "timeout")))


@pytest.mark.parametrize(
    ("outcome", "terms", "number", "losses", "state", "final"),
    [
        (Outcome(1, State.SUCCEEDED), TWICE, 1, 0, State.SUCCEEDED, True),
        (Outcome(1, State.CANCELLED, FailureClass.CANCELLED), TWICE, 1, 0, State.CANCELLED, True),
        (Outcome(1, State.REJECTED, FailureClass.POLICY), TWICE, 1, 0, State.REJECTED, True),
        (FAILED, Terms(), 1, 0, State.FAILED, True),
        (FAILED, TWICE, 1, 0, State.FAILED, False),
        (FAILED, TWICE, 2, 0, State.FAILED, False),
        (FAILED, TWICE, 3, 0, State.FAILED, True),
        # Lost attempts are not the user's retries.
        (FAILED, TWICE, 4, 2, State.FAILED, False),
        (FAILED, ON_75, 1, 0, State.FAILED, True),
        (Outcome(1, State.FAILED, FailureClass.EXIT, exit_code=75), ON_75, 1, 0, State.FAILED, False),
        (TIMED_OUT, ON_75, 1, 0, State.TIMED_OUT, False),
        (LOST, Terms(), 1, 1, State.FAILED, False),
        (LOST, Terms(), 2, 2, State.FAILED, False),
        (LOST, Terms(), 3, 3, State.QUARANTINED, True),
        (LOST, Terms(retry=RetryPolicy(lost_retries=0)), 1, 1, State.QUARANTINED, True),
        (STOPPED, Terms(), 1, 0, State.INTERRUPTED, False),
        (UNKNOWN, Terms(), 1, 1, State.UNKNOWN, True),
        (UNKNOWN, Terms(idempotent=True), 1, 1, State.UNKNOWN, False),
        (UNKNOWN, Terms(idempotent=True, on_unknown="hold"), 1, 1, State.UNKNOWN, True),
        (UNKNOWN, Terms(on_unknown="rerun"), 1, 1, State.UNKNOWN, False),
        # What brings the whole machine down is not tried for ever.
        (UNKNOWN, Terms(on_unknown="rerun"), 3, 3, State.UNKNOWN, True),
        # There is no number for another attempt.
        (FAILED, Terms(retry=RetryPolicy(max=999)), MAX_ATTEMPTS, 0, State.FAILED, True),
        (LOST, Terms(retry=RetryPolicy(lost_retries=999)), MAX_ATTEMPTS, 9, State.QUARANTINED, True),
        (
            STOPPED,
            Terms(),
            MAX_ATTEMPTS,
            0,
            State.INTERRUPTED,
            True,
        ),
        (UNKNOWN, Terms(idempotent=True), MAX_ATTEMPTS, 1, State.UNKNOWN, True),
    ],
)
def test_what_follows(outcome: Outcome, terms: Terms, number: int, losses: int, state: State, final: bool) -> None:
    decision = decide(outcome, terms, number, Past().lost(losses), read_only=False)
    assert (decision.outcome.state, decision.final) == (state, final)


@pytest.mark.parametrize(("terms", "final"), [(Terms(), False), (Terms(idempotent=False), True)])
def test_a_read_only_tool_runs_again_unless_its_job_says_otherwise(terms: Terms, final: bool) -> None:
    assert decide(UNKNOWN, terms, 1, Past().lost(), read_only=True).final is final


def test_the_delay_doubles_up_to_its_bound() -> None:
    terms = Terms(retry=RetryPolicy(max=10, backoff=2.0, max_backoff=10.0))
    delays = [decide(FAILED, terms, number, Past(), read_only=False).delay for number in (1, 2, 3, 4, 5)]
    assert delays == [2.0, 4.0, 8.0, 10.0, 10.0]
