"""Going on with what an older version has left."""

from __future__ import annotations

import shutil

import pytest

from tests.support.cli import CHECKOUT, Program

OLD = CHECKOUT / "tests" / "compat" / "journal-schema-1.db"


@pytest.mark.parametrize("verb", [["resume", "b1"], ["retry", "b1"], ["run", "--resume", "true"]])
def test_an_old_journal_is_brought_up_to_date_by_what_goes_on(program: Program, verb: list[str]) -> None:
    (program.home / "state").mkdir(parents=True)
    shutil.copyfile(OLD, program.home / "state" / "journal.db")
    told = program("history")
    assert told.returncode == 107
    assert b"bring it up to date" in told.stderr
    assert b"bring it up to date" not in program(*verb).stderr
    assert program("history").returncode == 0
