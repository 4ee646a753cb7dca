"""What a worker works out once for all jobs on the same terms: tool, decoder, environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

import msgspec

from parallel_runner.journal.layout import StateLayout
from parallel_runner.model.ports import JobContext, Launch, Lease, Tool
from parallel_runner.model.terms import Terms
from parallel_runner.tools import registry

MARK = b"PARALLEL_RUNNER_ATTEMPT"
"""Environment variable by which a job's processes are found when nobody who knew their pids is left."""


@dataclass(frozen=True)
class Plan:
    """Terms, made ready for use."""

    terms: Terms
    tool: Tool
    decoder: msgspec.msgpack.Decoder[msgspec.Struct]
    env: dict[bytes, bytes]
    """The whole environment but for what tells attempts apart; changed in place for each."""
    inputs: str
    """Directory of the files that pieces of streams are in."""

    def prepare(self, lease: Lease, mark: bytes) -> Launch:
        """How to start this attempt."""
        self.env[MARK] = mark
        self.env[b"PARALLEL_SEQ"] = b"%d" % (lease.attempt >> 8 & 0xFFFFFFFF)
        payload = self.decoder.decode(lease.payload)
        terms = self.terms
        return self.tool.prepare(
            payload, JobContext(terms.cwd, self.env, lease.batch, lease.attempt, self.inputs, terms.shipped)
        )


def make_plan(terms: Terms, layout: StateLayout, slot: int) -> Plan:
    """Make terms ready for use.

    Args:
        terms: what to make ready.
        layout: where environments and inputs stand.
        slot: number of the worker in its pool, from 1.
    """
    tool = registry.get(terms.tool)
    env = read_environment(f"{layout.environments}/{terms.environment}") if terms.environment else dict(os.environb)
    env.update(terms.env or ())
    env[b"PARALLEL_JOBSLOT"] = b"%d" % slot
    return Plan(terms, tool, msgspec.msgpack.Decoder(tool.payload_type), env, layout.inputs)


def read_environment(path: str) -> dict[bytes, bytes]:
    """An environment as it stands in a file: NAME=VALUE, each ended by NUL, as in /proc/PID/environ."""
    with open(path, "rb") as file:
        pairs = (item.split(b"=", 1) for item in file.read().split(b"\0") if b"=" in item)
        return {name: value for name, value in pairs if name}


def write_environment(path: str, env: dict[bytes, bytes]) -> None:
    """Write an environment for `read_environment`, readable by this user only."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(b"".join(name + b"=" + value + b"\0" for name, value in env.items()))
