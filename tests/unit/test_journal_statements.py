"""The SQL files: every statement is named and understood, and all migrations together are the schema."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallel_runner.journal import statements
from parallel_runner.journal.connection import connect

SQL = Path(statements.__file__).parent / "sql"
NAMES = re.findall(r"^-- name: (\w+): \S.*$", (SQL / "queries.sql").read_text(), re.MULTILINE)


def objects(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return {(kind, name, " ".join(sql.split())) for kind, name, sql in rows}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(statements.schema())
    connection.execute(statements.get("begin_requeue"))
    connection.execute(statements.get("begin_matching"))
    yield connection
    connection.close()


def test_all_migrations_are_the_schema(tmp_path: Path) -> None:
    migrated = connect(str(tmp_path / "journal.db"))
    drawn = sqlite3.connect(":memory:")
    try:
        drawn.executescript(statements.schema())
        assert objects(migrated) == objects(drawn)
        assert migrated.execute("PRAGMA user_version").fetchone() == (len(statements.migrations()),)
    finally:
        migrated.close()
        drawn.close()


def test_migrations_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (SQL / "migrations").iterdir())
    assert [int(name.split("_")[0]) for name in names] == list(range(1, len(names) + 1))
    assert len(statements.migrations()) == len(names)


def test_names_are_used_once_and_headers_are_whole() -> None:
    text = (SQL / "queries.sql").read_text()
    assert len(NAMES) == len(set(NAMES)) == text.count("-- name:")


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("begin_")])
def test_every_statement_fits_the_schema(name: str, database: sqlite3.Connection) -> None:
    statement = statements.get(name)
    if statement.startswith("PRAGMA"):
        database.execute(statement).fetchall()
        return
    named = set(re.findall(r":(\w+)", statement))
    values = dict.fromkeys(named, 1) if named else (1,) * statement.count("?")
    assert database.execute(f"EXPLAIN {statement}", values).fetchall()


def test_every_statement_is_used() -> None:
    source = "".join(path.read_text() for path in SQL.parent.parent.rglob("*.py"))
    assert [name for name in NAMES if f'"{name}"' not in source] == []
