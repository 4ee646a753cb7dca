"""What follows an attempt: nothing, or another attempt. Pure functions."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from parallel_runner.ids import MAX_ATTEMPTS
from parallel_runner.model.lifecycle import FailureClass, State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.terms import Terms, retry_covers


class Decision(NamedTuple):
    """What follows an outcome."""

    outcome: Outcome
    """As it goes into the journal."""
    final: bool
    """No attempt follows by itself."""
    delay: float = 0.0
    """Seconds until the next attempt, when one follows."""
    resumable: bool = False
    """Not final, but only `resume` goes on with it."""


class Past(NamedTuple):
    """What of a job's earlier attempts bears on the next."""

    losses: int = 0
    """Workers that it lost since it was last queued."""
    uncounted: int = 0
    """Attempts that do not count against the retries that the user asked for: lost or in doubt, interrupted, or
    from before the job was queued again."""

    def lost(self, workers: int = 1) -> Past:
        """The same with more workers lost."""
        return Past(self.losses + workers, self.uncounted + workers)


NO_PAST = Past()


def decide(outcome: Outcome, terms: Terms, number: int, past: Past, *, read_only: bool) -> Decision:
    """Decide what follows attempt `number` (from 1) of a job with a `past`, in which a loss of this one counts.

    A lost worker's attempt is repeated up to `lost_retries` times, then the job is quarantined: it may be what
    kills them. An interrupted one waits for `resume`. One of which nobody knows the end waits for a person, unless
    running it twice does no harm: then it is repeated as one that was lost, and counts as such.
    """
    if outcome.state is State.SUCCEEDED:
        return Decision(outcome, final=True)
    retry = terms.retry
    if outcome.state is State.INTERRUPTED:
        return Decision(outcome, final=number >= MAX_ATTEMPTS, resumable=True)
    if outcome.failure is FailureClass.WORKER_LOST:
        if past.losses <= retry.lost_retries and number < MAX_ATTEMPTS:
            return Decision(outcome, final=False)
        return Decision(msgspec.structs.replace(outcome, state=State.QUARANTINED), final=True)
    if outcome.state is State.UNKNOWN:
        again = past.losses <= retry.lost_retries and number < MAX_ATTEMPTS
        return Decision(outcome, final=not (again and reruns_unknown(terms, read_only=read_only)), resumable=True)
    own = number - past.uncounted
    allowed = own <= retry.max and number < MAX_ATTEMPTS
    if allowed and retry_covers(retry, outcome.state, outcome.failure, outcome.exit_code):
        wait = min(retry.max_backoff, retry.backoff * 2 ** (own - 1))
        return Decision(outcome, final=False, delay=wait * _spread(outcome.attempt, retry.jitter))
    return Decision(outcome, final=True)


def _spread(attempt: int, jitter: float) -> float:
    """A factor from 1 - jitter to 1 + jitter, the same each time for the same attempt."""
    if not jitter:
        return 1.0
    digest = hashlib.blake2b(attempt.to_bytes(8, "little"), digest_size=4).digest()
    return 1.0 + jitter * (int.from_bytes(digest, "little") / 2**31 - 1.0)


def reruns_unknown(terms: Terms, *, read_only: bool) -> bool:
    """Whether an attempt in doubt is simply made again."""
    if terms.on_unknown:
        return terms.on_unknown == "rerun"
    return read_only if terms.idempotent is None else terms.idempotent
