"""A regular expression that takes for ever to decide costs its attempt ten seconds, not the worker."""

from __future__ import annotations

import pytest

from tests.support.cli import Program


@pytest.mark.slow
def test_an_expectation_that_takes_for_ever_fails_the_attempt_once(program: Program) -> None:
    (program.work / "b.yaml").write_text(
        f"""\
jobs:
  - {{id: slow, bash: "echo x >> runs; printf {"a" * 40}b", expect: {{stdout: "(a+)+$"}}, timeout: 3, retries: 0}}
  - {{id: next, bash: "echo fine", expect: {{stdout: fine}}}}
"""
    )
    done = program("run", "-f", "b.yaml", "-j", "1")
    assert done.returncode == 1, done.stderr
    slow, after = sorted(program.results(), key=lambda row: str(row["id"]), reverse=True)
    assert (slow["state"], slow["class"], slow["exit_code"]) == ("failed", "exit", 0)
    assert slow["detail"].startswith("expect took too long to decide: looking for '(a+)+$' in stdout")
    assert after["state"] == "succeeded"
    assert after["worker"] == slow["worker"], "the worker lives on"
    assert (program.work / "runs").read_text() == "x\n"
    assert program.processes() == []
