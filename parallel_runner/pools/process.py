"""Making a worker process: forked from a supervisor without threads, and cut off from all that it owned."""

from __future__ import annotations

import gc
import os
import resource
import signal
import traceback
from dataclasses import dataclass, field
from typing import Any

from parallel_runner.errors import InternalError
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.locks import LivenessLock
from parallel_runner.journal.owners import boot_id
from parallel_runner.journal.segments import SegmentWriter
from parallel_runner.journal.spool import Opened, SpoolWriter
from parallel_runner.pools import kernel
from parallel_runner.pools.capture import Stream
from parallel_runner.pools.cgroup import Delegation
from parallel_runner.pools.channel import Channel
from parallel_runner.pools.worker import FOLLOW, Worker

OOM_SCORE = 300
"""Added to a worker's and its jobs' score: under memory pressure they go before the supervisor."""


@dataclass(frozen=True)
class Post:
    """Where a worker stands: all that it needs to know of itself."""

    token: str
    """Names this incarnation; never used twice."""
    owner: str
    pool: str
    slot: int
    """Number in its pool, from 1; the lowest that was free."""
    layout: StateLayout
    log: str
    """File that a worker's own complaints go to."""
    disk_floor: int = 0
    """Bytes that must stay free for outputs to be kept."""
    delegation: Delegation | None = None
    """Where jobs with limits can have control groups."""


@dataclass
class Hold:
    """Everything of the supervisor's that a child must hold for life, so that no finaliser runs in it."""

    objects: list[object] = field(default_factory=list)


def start_worker(post: Post, hold: Hold) -> tuple[Any, int, Channel]:
    """Fork a worker; returns (process, its pidfd, the supervisor's end of its channel).

    Raises:
        InternalError: this process has threads; a fork would copy their locks and not them.
    """
    import multiprocess  # dill comes with it and takes 50 ms: not for `--help`

    ours, theirs = Channel.pair()
    supervisor = os.pidfd_open(os.getpid())
    context = multiprocess.get_context("fork")
    process = context.Process(
        target=_worker_main,
        args=(post, theirs, ours, supervisor, os.getpid(), hold),
        name=f"worker-{post.pool}-{post.slot}",
    )
    # A signal between the fork and the child's own handlers would run the supervisor's handlers in the child.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(supervisor)
    theirs.close()
    pidfd = os.pidfd_open(process.pid)
    return process, pidfd, ours


def refuse_threads() -> None:
    """Raise InternalError when this process has more than one thread."""
    count = len(os.listdir("/proc/self/task"))
    if count != 1:
        raise InternalError(f"the supervisor has {count} threads; workers can only be forked from one without")


def _worker_main(post: Post, channel: Channel, other: Channel, supervisor: int, parent: int, hold: Hold) -> None:
    code = 1
    try:
        _detach(post, channel, supervisor, hold, other)
        if os.getppid() == parent:
            _serve(post, channel, supervisor)
        code = 0
    except BaseException:  # noqa: BLE001 - the outermost frame of a process: what it cannot handle it writes down
        os.write(
            2, f"worker {post.token} ({post.pool}):\n{traceback.format_exc()}".encode("utf-8", "backslashreplace")
        )
    finally:
        # Never by return: no atexit handler, no finaliser of the supervisor's objects may run here.
        os._exit(code)


_KEEP: list[object] = []


def _detach(post: Post, channel: Channel, supervisor: int, hold: Hold, other: Channel) -> None:
    _KEEP.extend((hold, other))
    gc.freeze()
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    _close_all_but({channel.fileno(), supervisor})
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(post.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # The log first: with all low numbers closed it may itself be 1 by now.
    for fd, target in ((log, 2), (null, 1), (null, 0)):
        if fd != target:
            os.dup2(fd, target)
        os.set_inheritable(target, True)
    for fd in {null, log} - {0, 1, 2}:
        os.close(fd)
    kernel.set_subreaper(on=True)
    _raise_oom_score()


def _close_all_but(keep: set[int]) -> None:
    """Close by number: objects that think they own these descriptors are held and never finalised."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    start = 0
    for fd in sorted(keep):
        os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, max(start, limit))


def _raise_oom_score() -> None:
    try:
        # Not `open`: its layers would copy some dozens of pages of each worker.
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
        try:
            score = int(os.read(fd, 32))
            os.pwrite(fd, b"%d" % min(1000, score + OOM_SCORE), 0)
        finally:
            os.close(fd)
    except OSError:
        return  # Not every container allows it; then the kernel chooses by size alone.


def _serve(post: Post, channel: Channel, supervisor: int) -> None:
    lock = LivenessLock.acquire(post.layout.worker_lock(post.token), b"%d\n" % os.getpid())
    if lock is None:
        raise InternalError(f"worker {post.token}: its lock is held by somebody else")
    pid = os.getpid()
    opened = Opened(post.token, post.owner, post.pool, pid, kernel.start_ticks(pid), boot_id())
    spool = SpoolWriter(post.layout.spool(post.token), opened)
    segment = SegmentWriter(post.layout.outputs, f"{post.token}.seg", post.disk_floor)
    signal_fd, wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, FOLLOW):
        signal.signal(number, _note_signal)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    worker = Worker(post.token, post.slot, channel, supervisor, spool, post.layout)
    _KEEP.extend((lock, spool, segment, worker))
    worker.run(Stream(segment), Stream(segment), signal_fd, post.delegation)


def _note_signal(number: int, frame: object) -> None:
    """The wake-up pipe carries it; the loop acts."""
