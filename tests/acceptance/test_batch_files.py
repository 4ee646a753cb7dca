"""Batch files from end to end."""

from __future__ import annotations

import itertools
import json
from datetime import datetime

from tests.support.cli import Program

BATCH = """\
name: try
defaults: {timeout: 10m, retries: {max: 1, on: [timeout, "exit:75"]}}
jobs:
  - {id: build, bash: "echo building; false"}
  - {id: unit, bash: echo never, needs: [build]}
  - {id: after, bash: echo never, needs: [unit]}
  - {id: report, bash: echo report, needs: {after: [build, after], when: finished}}
  - {id: fallback, bash: {command: echo fallback, shell: sh}, needs: {after: [build], when: failed}}
  - {bash: cat, stdin: "no\\n"}
  - {python: "os.path:join", id: join}
  - {python: {call: "os.path:join", args: [a, b]}}
  - {glob: "*.yaml"}
  - {grep: {pattern: building, path: .}}
  - {read: {path: batch.yaml, limit: 1}}
"""

BAD = """\
name: bad
defaults: {timout: 3, memory: lots}
jobs:
  - {id: a, bash: "x", needs: [b]}
  - {id: b, bash: "x", needs: [a, zz]}
  - {id: a, bsh: "x"}
  - {bash: {comand: x}}
  - {bash: [1, 2]}
  - {read: {path: ""}}
"""


def test_every_tool_and_every_condition(program: Program) -> None:
    (program.work / "batch.yaml").write_text(BATCH)
    done = program("run", "-f", "batch.yaml")
    rows = {row.get("id") or row["seq"]: row for row in program.results()}
    assert done.returncode == 4, done.stderr  # build and join failed, two were skipped
    assert rows["unit"]["state"] == rows["after"]["state"] == "skipped"
    assert rows["report"]["stdout"] == "report\n"
    assert rows["fallback"]["stdout"] == "fallback\n"
    assert rows[6]["stdout"] == "no\n"
    assert rows[8]["stdout"] == '"a/b"\n'
    assert '"path":"batch.yaml"' in rows[9]["stdout"]
    assert '"matches":' in rows[10]["stdout"]
    assert "name: try" in rows[11]["stdout"]
    why = program("why", "b1.after")
    assert b"needs b1.2" in why.stdout


def test_all_mistakes_are_told_at_once_with_their_lines(program: Program) -> None:
    (program.work / "bad.yaml").write_text(BAD)
    done = program("run", "-f", "bad.yaml")
    assert done.returncode == 103
    for told in (
        b"bad.yaml:2: defaults.timout: there is no key 'timout' here; did you mean 'timeout'?",
        b"bad.yaml:2: defaults.memory: expected a size",
        b"bad.yaml:5: jobs[1].needs: there is no job 'zz'",
        b"bad.yaml:6: jobs[2].bsh: there is no key 'bsh' here; did you mean 'bash'?",
        b"bad.yaml:6: jobs[2].id: the id 'a' is taken by the job on line 4",
        b"bad.yaml:7: jobs[3].bash.comand: bash has no 'comand'; did you mean 'command'?",
        b"bad.yaml:8: jobs[4].bash:",
        b"bad.yaml:9: jobs[5].read.path:",
    ):
        assert told in done.stderr
    assert not (program.home / "state").exists()


def test_failed_part_is_retried_with_what_it_held_up(program: Program) -> None:
    (program.work / "b.yaml").write_text(
        "jobs:\n  - {id: one, bash: test -e ok}\n  - {id: two, bash: echo two, needs: [one]}\n"
    )
    assert program("run", "-f", "b.yaml").returncode == 2
    (program.work / "ok").touch()
    done = program("retry")
    assert (done.returncode, done.stdout) == (0, b"two\n")


def test_what_a_file_or_a_command_line_says_does_not_reach_the_terminal_as_it_is(program: Program) -> None:
    (program.work / "b.json").write_text('{"jobs": [{"bash": "x", "b\\u001b[31m\\u009bkey\\r": 1, "c\\nd": 2}]}')
    for arguments in (
        ("run", "-f", "b.json"),
        ("run", "-f", "no\x1b]0;title\x07.yaml"),
        ("history", "--since", "\x1b[2Jnow\x07"),
        ("history", "--no\x1b[31msuch"),
        ("\x1b[31mrun",),
        ("run", "-j", "\x1b[31mmany"),
        ("run", "--timeout", "\x1b[31mmany", "true"),
    ):
        done = program(*arguments)
        assert done.returncode in (102, 103, 104), arguments
        assert done.stderr
        assert not set(done.stderr.decode()) & {
            chr(code) for code in (*range(10), *range(11, 32), *range(127, 160))
        }
    done = program("run", "-f", "b.json")
    assert b"there is no key" in done.stderr


def test_so_many_jobs_at_once_whatever_their_tools(program: Program) -> None:
    jobs = [
        {"bash": "sleep 0.1"},
        {"python": {"call": "time:sleep", "args": [0.1]}},
        {"read": {"path": "b.json"}},
        {"bash": "sleep 0.1"},
        {"python": {"call": "time:sleep", "args": [0.1]}},
    ]
    (program.work / "b.json").write_text(json.dumps({"jobs": jobs}))
    assert program("run", "-j1", "-f", "b.json").returncode == 0
    spans = sorted(
        (datetime.fromisoformat(row["started_at"]).timestamp(), row["wall"], row["seq"])
        for row in program.results()
    )
    assert [seq for _, _, seq in spans] == [1, 2, 3, 4, 5], "in the order of the file"
    for (began, wall, _), (following, _, _) in itertools.pairwise(spans):
        assert began + wall <= following + 0.01
