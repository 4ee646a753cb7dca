"""Opening the journal's database, and telling what is wrong with it in words."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from parallel_runner.errors import DiskFullError, JournalBusyError, JournalCorruptError, StateError
from parallel_runner.journal import statements
from parallel_runner.journal.disk import free_bytes

BUSY_MS = 50
OPEN_BUSY_MS = 5000
WAL_KEPT = 16 * 1024 * 1024
"""Bytes that the write-ahead log keeps after a large transaction."""
NO_ROOM = 1024 * 1024
"""Bytes of free space under which an I/O error is taken for a full disk."""


def connect(path: str, *, durability: str = "process", read_only: bool = False) -> sqlite3.Connection:
    """Open the journal, making or migrating it when need be.

    Raises:
        StateError: or one of its kinds; the message says what to do.
    """
    with translated(path):
        if read_only:
            if not os.path.exists(path):
                raise StateError(f"there is no journal at {path}; nothing has been run with this home yet")
            if not _is_made(path):
                connect(path).close()
            connection = _read_only(path)
        else:
            _make(path)
            connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute(f"PRAGMA busy_timeout = {OPEN_BUSY_MS}")
            _prepare(connection, path, durability, read_only)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        except BaseException:
            connection.close()
            raise
    return connection


def _read_only(path: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None)


def _is_made(path: str) -> bool:
    """False when whoever made it was killed before it had tables: who only reads could not undo what was begun."""
    connection = _read_only(path)
    try:
        connection.execute(f"PRAGMA busy_timeout = {OPEN_BUSY_MS}")
        return bool(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "readonly" not in str(error):
            raise
        return False
    finally:
        connection.close()


def _make(path: str) -> None:
    """An empty file for this user alone: SQLite would make it by umask."""
    try:
        # Never opened when it is there: closing it would drop the locks that SQLite holds on it in this process.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def _quoted(path: str) -> str:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # What follows two slashes would be the name of a host.
    return "/" + quoted.lstrip("/") if quoted.startswith("//") else quoted


def _prepare(connection: sqlite3.Connection, path: str, durability: str, read_only: bool) -> None:
    known = statements.migrations()
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    _refuse_newer(path, version, len(known))
    if read_only:
        if version < len(known):
            raise StateError(
                f"{path} has schema {version}, this version reads {len(known)}; "
                "run `parallel-runner resume` or `run` once: they bring it up to date"
            )
        return
    if version == 0:
        # Before the first table or never: without it, pruning would not give space back.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _switch_to_wal(connection)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT}")
    if version < len(known):
        _migrate(connection, path, known)


def _refuse_newer(path: str, version: int, known: int) -> None:
    if version > known:
        raise StateError(
            f"{path} was written by a newer version (schema {version}, known here: {known}); "
            "upgrade parallel-runner, or choose another --home"
        )


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Two processes that make a journal at once: SQLite refuses one of them without waiting (it could deadlock)."""
    until = time.monotonic() + OPEN_BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.005)


def _migrate(connection: sqlite3.Connection, path: str, known: list[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again under the lock: another process may have been faster.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        _refuse_newer(path, version, len(known))
        for script in known[version:]:
            for statement in _split(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(known)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # A full disk may have undone it already.
            connection.execute("ROLLBACK")
        raise


def _split(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn SQLite's and the system's errors about `path` into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"no space left for {path}; free some, then `parallel-runner resume`") from error
        raise StateError(
            f"{path}: {error.strerror}; check the directory's permissions, or choose --home"
        ) from error


def _translate(error: sqlite3.Error, path: str) -> StateError:
    text = str(error)
    # Python 3.10 gives no error code; the texts are sqlite3_errstr's and have not changed since 2013.
    if "locked" in text or "busy" in text:
        return JournalBusyError(f"{path} is locked by another process ({text}); try again, or see `fuser {path}`")
    if "full" in text:
        return DiskFullError(f"no space left for {path}; free some, then `parallel-runner resume`")
    if "not a database" in text or "malformed" in text or "no such table" in text or "no such column" in text:
        return JournalCorruptError(
            f"{path} is damaged or no journal ({text}); look with `sqlite3 {path} 'PRAGMA integrity_check'`, "
            f"or move it aside (`mv {path} {path}.damaged`): a new one is made"
        )
    if "readonly" in text or "unable to open" in text or "permission" in text:
        return StateError(
            f"{path} cannot be written ({text}); check the permissions of its directory, or choose --home"
        )
    if "disk I/O" in text:
        # So it tells a full disk too, when the shared-memory file cannot grow.
        if free_bytes(os.path.dirname(path)) < NO_ROOM:
            return DiskFullError(f"no space left for {path} ({text}); free some, then `parallel-runner resume`")
        return StateError(f"{path}: {text}; the disk fails: see `dmesg`, and move the home to another disk")
    return StateError(f"{path}: {text}")
