"""Functions as jobs, and tools that others bring."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.cli import Program

SHIPPING = """
import os, sys
import msgspec
from parallel_runner.model.batch import BatchHeader
from parallel_runner.model.job import JobSpec, job_key
from parallel_runner.model.terms import Terms
from parallel_runner.runner.concluding import View
from parallel_runner.runner.one_shot import NewBatch, run_new
from parallel_runner.runner.pacing import Conduct
from parallel_runner.settings.home import resolve_home
from parallel_runner.tools.python_call import ship

factor = 7
def fails(): raise ValueError("on purpose")
calls = [ship(lambda x: x * factor, i) for i in range(5)] + [ship(fails)]
specs = [JobSpec(payload=msgspec.msgpack.encode(call), key=job_key(b"", b"%d" % i)) for i, call in enumerate(calls)]
terms = (Terms(tool="python", cwd=os.getcwdb()),)
batch = NewBatch(header=BatchHeader(cwd=os.getcwdb(), identity=b"test", terms=terms), command="test", jobs=specs)
sys.exit(run_new(resolve_home(None, os.environ), batch, View(conduct=Conduct(2), keep_order=True)))
"""

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


def test_functions_are_shipped_with_what_they_close_over(program: Program) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHIPPING], env=program.env, cwd=program.work, capture_output=True, timeout=60
    )
    assert done.stdout.split() == [b"0", b"7", b"14", b"21", b"28"]
    assert b"ValueError: on purpose" in done.stderr
    assert done.returncode == 1


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
