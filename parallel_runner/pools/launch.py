"""Starting one attempt: by posix_spawn for commands, by fork for work inside Python."""

from __future__ import annotations

import errno
import fcntl
import gc
import operator
import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from parallel_runner.descriptors import write_all
from parallel_runner.model.ports import Spawn
from parallel_runner.model.terms import Limits, Terms
from parallel_runner.pools.kernel import die_with_parent

# Python ignores the first two, the worker the others. A job gets them as a shell would give them: what is ignored
# when bash starts, no `trap` of it can ever catch.
_DEFAULT_SIGNALS = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGXCPU,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_SHELL_SPEAKS = (errno.ENOEXEC, errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
_BASH = b"/bin/bash"
_NICE = b"/usr/bin/nice"
_PIPE = 65536
"""Bytes that every pipe takes."""
_MOST_PIPE = 1 << 20
"""Bytes that a pipe of an ordinary user may hold (fs.pipe-max-size)."""
_F_SETPIPE_SZ = 1031


def spawn(launch: Spawn, env: Mapping[bytes, bytes], out: int, err: int, stdin: int | None) -> int:
    """Start a program in a session of its own; returns its pid.

    Args:
        launch: what to execute.
        env: the whole environment.
        out, err: descriptors that become 1 and 2.
        stdin: descriptor that becomes 0; None: the caller's own 0, which is /dev/null.

    Raises:
        OSError: the kernel would not start it, and no shell could be asked to say why.
    """
    actions: list[tuple[int, int, int]] = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, err, 2)]
    if stdin is not None:
        actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
    try:
        return _spawn(launch.executable, launch.argv, env, actions)
    except OSError as error:
        if not launch.fallback or error.errno not in _SHELL_SPEAKS:
            raise
        return _spawn(_BASH, launch.fallback, env, actions)


def _spawn(
    executable: bytes, argv: Sequence[bytes], env: Mapping[bytes, bytes], actions: list[tuple[int, int, int]]
) -> int:
    return os.posix_spawn(
        executable, tuple(argv), env, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_DEFAULT_SIGNALS
    )


def with_nice(launch: Spawn, nice: int | None) -> Spawn:
    """The same launch at another niceness, by a prefix that only such jobs pay for."""
    if nice is None:
        return launch
    argv = (b"nice", b"-n", str(nice).encode(), launch.executable, *launch.argv[1:])
    return Spawn(_NICE, argv, stdin=launch.stdin)


def fork_call(
    function: Callable[[], int], env: Mapping[bytes, bytes], out: int, err: int, stdin: int | None, nice: int | None
) -> int:
    """Run a function in a forked child with a session of its own; returns the child's pid.

    Args:
        function: what to do; its result is the exit code.
        env: the whole environment.
        out, err: descriptors that become 1 and 2.
        stdin: descriptor that becomes 0; None: the caller's own 0.
        nice: added to the caller's niceness; None: nothing is.
    """
    worker = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        _become_job(worker, env, out, err, stdin)
        code = _call(function, nice)
    except BaseException:  # noqa: BLE001 - the boundary of a job: whatever it raises is its own failure, told on its stderr
        _tell_traceback()
        code = 1
    finally:
        os._exit(code & 0xFF)


def _become_job(worker: int, env: Mapping[bytes, bytes], out: int, err: int, stdin: int | None) -> None:
    gc.freeze()
    # A fork that is not followed by exec has no mark in /proc/PID/environ; so it must not outlive its worker.
    die_with_parent(signal.SIGKILL, worker)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGURG, *_DEFAULT_SIGNALS):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.setsid()
    if stdin is not None:
        os.dup2(stdin, 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    # The worker's lock lives as long as any descriptor of it: a child must not keep a dead worker alive.
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    # That limit may be the job's own by now, lower than some descriptors; there is room to list them only now.
    for name in os.listdir("/proc/self/fd"):
        os.closerange(max(3, int(name)), int(name) + 1)
    sys.stdin = open(0, closefd=False, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    os.environb.clear()
    os.environb.update(env)
    random.seed()


def _call(function: Callable[[], int], nice: int | None) -> int:
    """What the function comes to, with its last words written: the process ends without Python's own end."""
    made = (sys.stdout, sys.stderr)
    try:
        if nice is not None:
            _be_nice(nice)
        return operator.index(function())
    except SystemExit as leave:
        if leave.code is None or isinstance(leave.code, int):
            return leave.code or 0
        print(leave.code, file=sys.stderr)  # noqa: T201 - the job's own stderr, as Python itself would
        return 1
    finally:
        # The function may have put other streams in place of ours, or closed them.
        for stream in (*made, sys.stdout, sys.stderr):
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()


def _be_nice(nice: int) -> None:
    try:
        os.nice(nice)
    except OSError as error:
        # As the program `nice` does: it says so, and goes on.
        os.write(2, f"cannot set niceness: {error.strerror}\n".encode())


def _tell_traceback() -> None:
    try:
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    except OSError:
        return


_RLIMITS = (
    ("cpu_time", resource.RLIMIT_CPU),
    ("processes", resource.RLIMIT_NPROC),
    ("open_files", resource.RLIMIT_NOFILE),
    ("file_size", resource.RLIMIT_FSIZE),
)


def needs_limits(terms: Terms) -> bool:
    """Whether the worker must change itself around the spawn."""
    limits = terms.limits
    return (
        terms.umask >= 0
        or limits.memory is not None
        or any(getattr(limits, name) is not None for name, _ in _RLIMITS)
    )


@contextmanager
def limits_around(terms: Terms) -> Iterator[None]:
    """Soft limits and umask on the worker itself, which the child inherits; restored after the spawn.

    Raises:
        OSError, ValueError, OverflowError: a limit cannot be set; those that were are restored.
    """
    before: list[tuple[int, tuple[int, int]]] = []
    umask = -1
    try:
        _set_soft(terms.limits, before)
        umask = os.umask(terms.umask) if terms.umask >= 0 else -1
        yield
    finally:
        if umask >= 0:
            os.umask(umask)
        for which, pair in before:
            resource.setrlimit(which, pair)


def _set_soft(limits: Limits, before: list[tuple[int, tuple[int, int]]]) -> None:
    """Set them, noting in `before` what each was."""
    for name, which in _RLIMITS:
        value = getattr(limits, name)
        if value is None:
            continue
        soft, hard = resource.getrlimit(which)
        wanted = max(1, round(value))
        before.append((which, (soft, hard)))
        resource.setrlimit(which, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def memory_file(data: bytes) -> int:
    """A descriptor that reads these bytes, for a job's stdin."""
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    write_all(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def piece_of_file(path: str, offset: int, length: int) -> int:
    """A descriptor that reads a piece of a file, for a job's stdin.

    A pipe where it fits into one, since that is what programs expect on stdin (`wc`, for one, aligns its columns by
    the size of a file), and a memory file elsewhere: nobody is there yet who would read while it is filled.

    Raises:
        OSError: the file is gone, or ends before the piece does.
    """
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(source, length, offset) if length <= _MOST_PIPE else b""
        if len(data) == length:
            return _filled_pipe(data) or memory_file(data)
        return _copied(source, path, offset, length)
    finally:
        os.close(source)


def _filled_pipe(data: bytes) -> int | None:
    """The read end of a pipe that holds all of this; None where no pipe of this user's does."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if len(data) > _PIPE:
            fcntl.fcntl(writer, _F_SETPIPE_SZ, len(data))
        # One write fills whole pages; several would leave room in each, and not fit.
        fits = not data or os.write(writer, data) == len(data)
    except OSError:
        fits = False
    os.close(writer)
    if not fits:
        os.close(reader)
        return None
    os.set_blocking(reader, True)
    return reader


def _copied(source: int, path: str, offset: int, length: int) -> int:
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        while length:
            copied = os.sendfile(fd, source, offset, length)
            if not copied:
                raise OSError(errno.EIO, "the piece of the stream that it reads is not there any more", path)
            offset += copied
            length -= copied
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


def trouble(error: OSError | ValueError | OverflowError) -> str:
    """What to tell of a start that failed."""
    if isinstance(error, OSError):
        name = os.fsdecode(error.filename).encode("utf-8", "backslashreplace").decode() if error.filename else ""
        return f"could not be started: {error.strerror}{': ' + name if name else ''}"
    return f"could not be started: {error}"
