"""Functions as jobs, and tools that others bring."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.support.cli import Program

PLUGIN = """
import msgspec
from parallel_runner.model.ports import Call, Refusal

class Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str

class Shout:
    name = "shout"
    read_only = True
    payload_type = Payload
    main_field = "text"
    def check(self, payload): return [] if payload.text else ["text: is empty"]
    def preload(self): pass
    def describe(self, payload): return b"shout " + payload.text.encode()
    def prepare(self, payload, context):
        if payload.text == "no": return Refusal(126, "does not shout that", rejected=True)
        return Call(lambda: print(payload.text.upper(), flush=True) or 0)

class Broken:
    def __init__(self): raise RuntimeError("broken on purpose")
"""


def install(program: Program, place: Path, attribute: str) -> None:
    """A distribution with one tool, as pip would leave it."""
    info = place / "shouting-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "shouting.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[parallel_runner.tools]\nshout = shouting:{attribute}\n")
    program.env["PYTHONPATH"] = f"{program.env['PYTHONPATH']}:{place}"


def run_batch(program: Program, *jobs: object) -> subprocess.CompletedProcess[bytes]:
    """A batch file of these jobs."""
    (program.work / "batch.json").write_text(json.dumps({"jobs": jobs}))
    return program("run", "-k", "-f", "batch.json")


def test_a_plug_in_is_a_tool_like_any_other(program: Program, tmp_path: Path) -> None:
    install(program, tmp_path / "site", "Shout")
    done = run_batch(program, {"shout": "hello"}, {"id": "b", "shout": {"text": "no"}}, {"bash": "echo beside"})
    assert done.stdout == b"HELLO\nbeside\n"
    assert done.returncode == 1
    assert [row["state"] for row in program.results()] == ["succeeded", "rejected", "succeeded"]
    done = run_batch(program, {"shout": {"txet": "x"}})
    assert done.returncode == 103
    assert b"txet" in done.stderr
    done = run_batch(program, {"shuot": "x"})
    assert b"shout" in done.stderr, "the nearest name is told"


def test_a_plug_in_that_does_not_load_is_told_before_anything_starts(program: Program, tmp_path: Path) -> None:
    install(program, tmp_path / "site", "Broken")
    done = run_batch(program, {"bash": "touch started"}, {"shout": "hello"})
    assert done.returncode == 103
    assert b"'shout' (shouting:Broken) cannot be loaded" in done.stderr
    assert b"broken on purpose" in done.stderr
    assert not (program.work / "started").exists()
    assert run_batch(program, {"bash": "true"}).returncode == 0, "it stands in nobody's way who does not ask for it"
