"""Opening the journal's database, and telling what is wrong with it in words."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from parallel_runner.errors import DiskFullError, JournalBusyError, JournalCorruptError, StateError
from parallel_runner.journal import statements

BUSY_MS = 50
OPEN_BUSY_MS = 5000


def connect(path: str, *, durability: str = "process", read_only: bool = False) -> sqlite3.Connection:
    """Open the journal, making or migrating it when need be.

    Raises:
        StateError: or one of its kinds; the message says what to do.
    """
    with translated(path):
        if read_only:
            if not os.path.exists(path):
                raise StateError(f"there is no journal at {path}; nothing has been run with this home yet")
            connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None)
        else:
            # SQLite makes its files by umask; what jobs print is nobody else's business.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute(f"PRAGMA busy_timeout = {OPEN_BUSY_MS}")
            _prepare(connection, path, durability, read_only)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        except BaseException:
            connection.close()
            raise
    return connection


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _prepare(connection: sqlite3.Connection, path: str, durability: str, read_only: bool) -> None:
    known = statements.migrations()
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(known):
        raise StateError(
            f"{path} was written by a newer version (schema {version}, known here: {len(known)}); "
            "upgrade parallel-runner, or choose another --home"
        )
    if read_only:
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
    if version < len(known):
        _migrate(connection, known)


def _migrate(connection: sqlite3.Connection, known: list[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again under the lock: another process may have been faster.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        for script in known[version:]:
            for statement in _split(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(known)}")
        connection.execute("COMMIT")
    except BaseException:
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
        return DiskFullError(f"{path}: {text}; the disk is full or failing")
    return StateError(f"{path}: {text}")
