"""A job: one unit of work for one tool, as it is submitted and as the journal holds it."""

from __future__ import annotations

import hashlib

import msgspec

from parallel_runner.model.terms import Terms


class Need(msgspec.Struct, frozen=True, array_like=True):
    """What a job waits for."""

    job: int
    """Place of the needed job, or group, in the batch."""
    when: str = "succeeded"
    """succeeded | failed | finished."""


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A job as submitted: its place is given by its order."""

    terms: int = 0
    """Index into the batch's terms."""
    payload: bytes
    """msgpack of the tool's own payload struct."""
    name: str = ""
    """The id a batch file gives it; empty for lines of input."""
    key: bytes
    """What makes it the same job at resume: see `job_key`."""
    needs: tuple[Need, ...] = ()
    groups: tuple[int, ...] = ()
    """Places of the groups that it belongs to."""


class Job(msgspec.Struct, frozen=True, array_like=True):
    """A job as the journal holds it."""

    id: int
    terms: int
    payload: bytes
    number: int = 0
    """Attempts it has had."""
    name: str = ""
    losses: int = 0
    uncounted: int = 0
    """Of those attempts, as `retry.Past` has it."""


_terms_encoder = msgspec.msgpack.Encoder(order="deterministic")


def terms_digest(terms: Terms) -> bytes:
    """What of the terms makes a job another job: tool, directory, declared environment, stdin."""
    return _terms_encoder.encode((terms.tool, terms.cwd, terms.env, terms.stdin))


def job_key(digest: bytes, identity: bytes) -> bytes:
    """16 bytes that name a job by content.

    Args:
        digest: from `terms_digest`, once for all jobs of the same terms.
        identity: template and argument values before `{#}` and `{%}` are filled in.

    Equal jobs of a batch have equal keys; the n-th of them in order is the n-th at resume.
    """
    return hashlib.blake2b(identity, digest_size=16, key=hashlib.blake2b(digest, digest_size=16).digest()).digest()
