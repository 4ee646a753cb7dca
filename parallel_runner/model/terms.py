"""On what terms a job runs: tool, directory, environment, limits, retries. Shared by many jobs of a batch."""

from __future__ import annotations

import msgspec

from parallel_runner.model.lifecycle import FailureClass, State

DEFAULT_MAX_OUTPUT = 10 * 1024 * 1024
DEFAULT_GRACE = 2.0


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one attempt may use. None: no limit of ours."""

    timeout: float | None = None
    """Seconds of wall time from the spawn."""
    grace: float = DEFAULT_GRACE
    """Seconds between TERM and KILL."""
    max_output: int = DEFAULT_MAX_OUTPUT
    """Bytes kept of each stream; head and tail are kept, the middle is not."""
    memory: int | None = None
    """Bytes of the attempt's whole process tree."""
    cpu_time: float | None = None
    """Seconds of CPU for each process (RLIMIT_CPU)."""
    processes: int | None = None
    """Processes of this user (RLIMIT_NPROC), or of the job where a cgroup is there."""
    open_files: int | None = None
    """Descriptors for each process (RLIMIT_NOFILE)."""
    file_size: int | None = None
    """Bytes of one written file (RLIMIT_FSIZE)."""


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When an attempt that did not succeed is followed by another."""

    max: int = 0
    """Attempts after the first."""
    on: tuple[str, ...] = ()
    """Failure classes, or `exit:N` for one exit code; empty: any failure of the job itself."""
    backoff: float = 0.0
    """Seconds before the second attempt; doubles with each further one."""
    max_backoff: float = 300.0
    jitter: float = 0.0
    """Share of the wait by which it is made shorter or longer, from 0 to 1: equal jobs shall not come at once."""
    lost_retries: int = 2
    """Attempts after a lost worker, apart from `max`; then the job is quarantined."""


class Expectation(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an attempt must look like to have succeeded."""

    exit: tuple[int, ...] = (0,)
    """Exit codes that are a success."""
    stdout: str = ""
    """A regular expression that must match somewhere in what is kept of the stream; empty: anything."""
    stderr: str = ""
    stdout_contains: str = ""
    """Text that must be in what is kept of the stream."""
    stderr_contains: str = ""


class Validation(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A command that says by its exit code whether an attempt that succeeded did what it should."""

    command: bytes
    timeout: float = 60.0
    """Seconds after which it counts as failed."""


PRIORITIES = ("highest", "high", "normal", "low", "lowest")
NORMAL = PRIORITIES.index("normal")


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The terms of a job. A batch has few of them; each job names one by index."""

    tool: str = "bash"
    cwd: bytes = b"/"
    """Absolute directory that the job runs in."""
    umask: int = -1
    """-1: the worker's."""
    env: tuple[tuple[bytes, bytes], ...] | None = None
    """The declared environment: set on top of what the batch carries. Part of the job's key."""
    environment: str = ""
    """Name of the batch's environment file under state/, or empty: the worker's own environment."""
    stdin: bytes | None = None
    """Bytes given on stdin; None: /dev/null."""
    limits: Limits = Limits()
    retry: RetryPolicy = RetryPolicy()
    leftovers: str = "term"
    """What happens to processes that outlive the command: term | keep | kill."""
    idempotent: bool | None = None
    """May be run twice without harm; None: as the tool says."""
    on_unknown: str = ""
    """rerun | hold for an attempt of which nobody knows the end; empty: by idempotence."""
    nice: int | None = None
    live: bool = False
    """What the job writes is told while it runs."""
    shipped: bytes = b""
    """A function that its jobs call, as dill has it; empty: each job says itself what it does."""
    stop_on_loss: bool = False
    """True: a worker whose supervisor is lost ends the job instead of finishing it."""
    tags: tuple[str, ...] = ()
    """Words by which its results can be picked out."""
    expect: Expectation | None = None
    validate: Validation | None = None
    locks: tuple[str, ...] = ()
    """Names that no two running jobs of a home share."""
    priority: int = NORMAL
    """Place in PRIORITIES: of two ready jobs, the one with the lower number goes first."""
    deadline: float | None = None
    """Seconds from the start of the first attempt to the end of the last, waits between them included."""


def retry_covers(policy: RetryPolicy, state: State, failure: FailureClass | None, exit_code: int | None) -> bool:
    """Whether the policy's `on` list names this failure. An empty list covers failed and timed-out attempts."""
    if state not in (State.FAILED, State.TIMED_OUT) or failure is None:
        return False
    if not policy.on:
        return True
    return failure.value in policy.on or (failure is FailureClass.EXIT and f"exit:{exit_code}" in policy.on)
