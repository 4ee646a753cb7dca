"""Whatever is printed as JSON is what its published schema says, and nothing else is on stdout."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from parallel_runner.reports.schemas import RECORDS
from tests.support.cli import Program
from tests.support.waiting import wait_for

MIXED = (
    b"echo hi\nprintf '\\377'\nexit 3\nkill -9 $$\nnosuchprogram\nseq 1 20000\nls /nowhere\nsleep 30\n"
    b"printf 'caf\\303\\251'\n: '\xff'\n"
)


def validated(program: Program, name: str, text: bytes) -> list[dict[str, Any]]:
    """The lines of `text`, each checked against the schema that the program itself publishes."""
    schema = json.loads(program("config", "schema", name).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    records = [json.loads(line) for line in text.splitlines()]
    for record in records:
        validator.validate(record)
    return records


def test_attempts(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    limits = ("--timeout", "1", "--retries", "2", "--max-output", "1K")
    done = program("run", "--json", *limits, "--results", str(file), stdin=MIXED)
    assert len(validated(program, "attempt", done.stdout)) == 15
    assert len(validated(program, "attempt", file.read_bytes())) == 15
    told = validated(program, "attempt", program("results").stdout)
    assert len(told) == 15
    assert any("stdout_b64" in one for one in told)
    assert any("command_b64" in one for one in told)
    assert any(one.get("stdout_truncated") for one in told)
    assert {one["class"] for one in told} >= {None, "exit", "signal", "timeout"}


def test_results_in_the_words_of_gnu_parallel(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    done = program("run", "-k", "--results", str(file), "echo {}; exit {}", ":::", "0", "3")
    assert done.returncode == 1
    first, second = validated(program, "results-json", file.read_bytes())
    assert (first["V"], first["Stdout"], first["Exitval"]) == (["0"], "0\n", 0)
    assert (second["V"], second["Command"], second["Exitval"]) == (["3"], "echo 3; exit 3", 3)


def test_history_and_why(program: Program) -> None:
    program("run", "--timeout", "1", stdin=MIXED)
    (program.work / "b.yaml").write_text(
        "name: nightly\njobs:\n  - {id: a, bash: exit 1}\n  - {id: b, bash: 'true', needs: [a]}\n"
    )
    program("run", "-f", "b.yaml")
    named, plain = validated(program, "history", program("history", "--json").stdout)
    assert (named["name"], named["tally"], named["jobs"]) == ("nightly", {"failed": 1, "skipped": 1}, 2)
    assert (plain["name"], plain["jobs"]) == (None, 10)
    for job in ("b1.1", "b1.3", "b1.4", "b1.8", "b1.10", "b2.a", "b2.b"):
        (told,) = validated(program, "why", program("why", job, "--json").stdout)
        assert told["where"] == "ended"


def test_what_runs(program: Program) -> None:
    running = program.start(
        "run", "-j1", "--timeout", "60", stdin=b"sleep 8671\nsleep 8672\n", stdout=subprocess.PIPE
    )
    wait_for(lambda: b"b1.1.1" in program("ps").stdout)
    (worker,) = validated(program, "ps", program("ps", "--json").stdout)
    assert (worker["job"], worker["command"], worker["pool"]) == ("b1.1", "sleep 8671", "bash")
    (first,) = validated(program, "why", program("why", "b1.1", "--json").stdout)
    assert (first["where"], first["worker"]["pid"], first["limits"]["timeout"]) == ("running", worker["pid"], 60)
    (second,) = validated(program, "why", program("why", "b1.2", "--json").stdout)
    assert second["where"] in ("promised", "waits_for_turn")
    (batch,) = validated(program, "history", program("history", "--json").stdout)
    assert batch["state"] == "running"
    for job in ("b1.1", "b1.2"):
        assert program("cancel", job).returncode == 0
    running.communicate(timeout=20)


@pytest.mark.parametrize("name", RECORDS)
def test_schemas_are_closed(program: Program, name: str) -> None:
    schema = json.loads(program("config", "schema", name).stdout)
    top = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    assert top["additionalProperties"] is False, "a key that is not published would pass"
    assert "type" in top["required"] or name == "results-json"


def test_an_unknown_schema_is_refused(program: Program) -> None:
    done = program("config", "schema", "atempt")
    assert done.returncode == 102
    assert b"settings, batch, attempt, history, why, ps, plan, results-json" in done.stderr
    assert json.loads(program("config", "schema", "settings").stdout) == json.loads(
        program("config", "schema").stdout
    )
