"""Batch files as they are read: what becomes a job, who waits for whom, and what is said of mistakes."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import msgspec
import pytest

from parallel_runner.errors import DataError
from parallel_runner.ids import GROUP_BASE
from parallel_runner.model.batch import BatchSpec, Group
from parallel_runner.model.fan_out import FAN_OUT, decode
from parallel_runner.model.job import JobSpec
from parallel_runner.model.terms import Expectation, Terms, Validation
from parallel_runner.tools.bash import BashPayload
from parallel_runner.workflows.batch_file import load_batch_file
from parallel_runner.workflows.quoting import quote


def load(directory: Path, text: str, name: str = "b.yaml") -> BatchSpec:
    (directory / name).write_text(text)
    return load_batch_file(name, cwd=str(directory).encode(), base=Terms())


def told(directory: Path, text: str, name: str = "b.yaml") -> list[str]:
    with pytest.raises(DataError) as caught:
        load(directory, text, name)
    return str(caught.value).splitlines()


def command(job: JobSpec) -> str:
    return msgspec.msgpack.decode(job.payload, type=BashPayload).command.decode()


def terms_of(spec: BatchSpec, place: int) -> Terms:
    return spec.header.terms[spec.jobs[place - 1].terms]


def waits(spec: BatchSpec, place: int) -> dict[int, str]:
    return {need.job: need.when for need in spec.jobs[place - 1].needs}


def test_foreach_makes_jobs_with_numbered_ids(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        """\
jobs:
  - {id: unit, foreach: [a b, c], bash: "test {item}", cwd: "dir-{item}", env: {X: "{item}"}, stdin: "{index}"}
  - {id: "by-{item}", foreach: [x/y, z], bash: echo, needs: ["unit.{index}"]}
  - {id: report, bash: echo, needs: [unit, {after: ["by-{item}"], when: finished}]}
""",
    )
    assert [job.name for job in spec.jobs] == ["unit.1", "unit.2", "by-x-y", "by-z", "report"]
    assert [command(job) for job in spec.jobs[:2]] == ["test 'a b'", "test c"]
    assert terms_of(spec, 1).cwd == f"{tmp_path}/dir-a b".encode()
    assert terms_of(spec, 2).env == ((b"X", b"c"),)
    assert terms_of(spec, 2).stdin == b"2"
    assert waits(spec, 3) == {1: "succeeded"}
    assert waits(spec, 4) == {2: "succeeded"}
    unit, by = GROUP_BASE, GROUP_BASE + 1
    assert waits(spec, 5) == {unit: "succeeded", by: "finished"}
    assert [job.groups for job in spec.jobs] == [(unit,), (unit,), (by,), (by,), ()]
    assert spec.header.rules.groups == (Group("unit"), Group("by-{item}"))


def test_values_are_filled_as_they_are_where_no_shell_reads_them(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        """\
jobs:
  - foreach: ["$(x) 'y'"]
    bash: {argv: [printf, "{item}", "${item}"]}
    validate: test -n {item}
  - {foreach: [7], read: {path: "f{item}", limit: "{item}"}}
  - {foreach: ["it's"], bash: {command: "echo '{item}'", shell: sh}}
""",
    )
    payload = msgspec.msgpack.decode(spec.jobs[0].payload, type=BashPayload)
    assert payload.argv == (b"printf", b"$(x) 'y'", b"${item}")
    assert terms_of(spec, 1).validate == Validation(b"test -n " + quote(b"$(x) 'y'"))
    assert b"\xa5limit\x07" in spec.jobs[1].payload
    assert command(spec.jobs[2]) == "echo 'it'\\''s'"


def test_terms_of_a_job(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        """\
defaults: {tags: nightly, expect: {stdout: ok}, retries: {max: 1, jitter: 20%}}
jobs:
  - {bash: echo, tags: [a, b], expect: [0, 3], locks: db, priority: high, deadline: 1h, retries: {backoff: 2}}
  - {bash: echo, expect: null}
""",
    )
    first, second = terms_of(spec, 1), terms_of(spec, 2)
    assert (first.tags, first.locks, first.priority, first.deadline) == (("a", "b"), ("db",), 1, 3600.0)
    assert first.expect == Expectation(exit=(0, 3), stdout="ok")
    assert (first.retry.max, first.retry.jitter, first.retry.backoff) == (1, 0.2, 2.0)
    assert (second.tags, second.expect) == (("nightly",), None)


def test_rules_phases_and_last_jobs(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        """\
on_failure: stop
deadline: 2h
retry_budget: 9
barrier: {timeout: 5, delay: 0}
jobs:
  - {id: a, bash: echo}
  - {id: g, foreach: [1, 2], bash: echo}
  - {id: free, bash: echo}
phases: [a, [g]]
finally:
  - {id: z, bash: echo}
""",
    )
    rules = spec.header.rules
    assert (rules.on_failure, rules.deadline, rules.retry_budget) == ("stop", 7200.0, 9)
    assert (rules.barrier_timeout, rules.barrier_delay, rules.finale) == (5.0, 0.0, (5, 5))
    first, second, main = (GROUP_BASE + n for n in (1, 2, 3))
    assert [group.kind for group in rules.groups] == ["foreach", "phase", "phase", "main"]
    assert waits(spec, 2) == waits(spec, 3) == {first: "finished"}
    assert waits(spec, 4) == {}
    assert waits(spec, 5) == {main: "finished"}
    assert spec.jobs[1].groups == (GROUP_BASE, second, main)
    assert spec.jobs[4].groups == ()


def test_fan_out_waits_for_its_source_and_keeps_its_template(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        """\
jobs:
  - {id: find, glob: "*.py"}
  - {id: each, foreach: {from: find.files}, bash: "wc {item}", needs: [pre], timeout: 5}
  - {id: pre, bash: echo}
  - {id: after, bash: echo, needs: [each]}
""",
    )
    each = spec.jobs[1]
    fan_out = decode(each.payload)
    assert terms_of(spec, 2).tool == FAN_OUT
    assert (fan_out.source, fan_out.view, fan_out.tool, fan_out.name) == (1, "files", "bash", "each")
    assert fan_out.template == {"bash": "wc {item}", "timeout": 5}
    assert waits(spec, 2) == {1: "succeeded", 3: "succeeded"}
    assert waits(spec, 4) == {GROUP_BASE: "succeeded"}


BAD = """\
on_failure: stopp
deadline: 0
barrier: {timout: 3}
phases: [[a, nobody], [a], [last]]
jobs:
  - {id: a, bash: x, needs: [b]}
  - {id: b, bash: x, needs: [g]}
  - {id: g, foreach: [1, 2], bash: x, needs: [a]}
  - {id: e, foreach: {from: g.lines}, bash: "{item}"}
  - {id: e2, foreach: {from: a.files}, bash: "{item}"}
  - {id: e3, foreach: {from: aa.lines}, bash: "{item}", timeout: soon}
  - {foreach: [x], bash: {comand: "{item}"}}
  - {foreach: ["$(x)"], bash: "echo `{item}`"}
  - {bash: x, expect: {stdout: "("}, locks: "a b", priority: hi, validate: {}}
  - {bash: x, retries: {jitter: 2, mx: 1}, needs: {after: a, when: done}}
finally:
  - {id: last, foreach: {from: a.lines}, bash: x}
  - {id: g, bash: x}
"""


def test_all_mistakes_are_told_with_line_and_nearest_name(tmp_path: Path) -> None:
    lines = told(tmp_path, BAD)
    for expected in (
        "b.yaml:1: on_failure: expected one of continue, stop, pause, got 'stopp'",
        "b.yaml:2: deadline: expected a duration of more than 0",
        "b.yaml:3: barrier.timout: there is no key 'timout' here; did you mean 'timeout'?",
        "b.yaml:4: phases[0]: there is no job 'nobody'",
        "b.yaml:4: phases[1]: 'a' is in phase 1 already",
        "b.yaml:4: phases[2]: 'last' stands under `finally`",
        "b.yaml:6: jobs[0].needs: jobs wait for each other: a → b → g → g.1 → a",
        "b.yaml:9: jobs[3].foreach: 'g' stands for several jobs",
        "b.yaml:10: jobs[4].foreach: a is a bash job; only glob and grep find files: say a.lines",
        "b.yaml:11: jobs[5].foreach: there is no job 'aa'; did you mean 'a'?",
        "b.yaml:11: jobs[5].timeout: expected a duration",
        "b.yaml:12: jobs[6].bash.comand: bash has no 'comand'; did you mean 'command'?",
        "b.yaml:13: jobs[7].bash: {item} stands where '$(x)' cannot be quoted",
        "b.yaml:14: jobs[8].expect.stdout: expected a regular expression",
        "b.yaml:14: jobs[8].locks: expected words",
        "b.yaml:14: jobs[8].priority: expected one of highest",
        "b.yaml:14: jobs[8].validate: expected a command line",
        "b.yaml:15: jobs[9].retries.jitter: expected a share",
        "b.yaml:15: jobs[9].retries.mx: there is no key 'mx' here; did you mean 'max'?",
        "b.yaml:15: jobs[9].needs.when: expected one of succeeded, failed, finished",
        "b.yaml:17: finally[0].foreach: a job under `finally` cannot wait",
        "b.yaml:18: finally[1].id: the id 'g' is taken",
    ):
        assert any(line.startswith(expected) for line in lines), (expected, lines)
    assert len(lines) == 22, lines


@pytest.mark.parametrize(
    ("job", "of_it"),
    [
        ("{id: u, foreach: {rang: 1..3}, bash: x}", ["u", "u.2"]),
        ("{id: 'u-{item}', foreach: {file: nowhere}, bash: x}", ["u-a", "u-{item}"]),
        ("{id: u, foreach: [a, b], bash: {comand: x}}", ["u", "u.2"]),
        ("{id: u, forech: [a, b], bash: x}", ["u", "u.2"]),
        ("{id: u v, bash: x}", ["u v"]),
    ],
)
def test_what_follows_from_a_mistake_is_not_told_as_another(tmp_path: Path, job: str, of_it: list[str]) -> None:
    needs, last = json.dumps(of_it), json.dumps(of_it[-1])
    text = f"jobs:\n  - {job}\n  - {{id: z, bash: x, needs: {needs}}}\nphases: [[{last}]]\n"
    (line,) = told(tmp_path, text)
    assert line.startswith("b.yaml:2: jobs[0]."), line
    assert len(told(tmp_path, text.replace('"]}', '", other]}'))) == 2, "of others it is still told"


def test_of_many_mistakes_the_first_are_told(tmp_path: Path) -> None:
    text = "jobs:\n" + "".join(f"  - {{id: j{i}, bsh{i}: x, tmeout{i}: 3}}\n" for i in range(4990))
    began = time.process_time()
    lines = told(tmp_path, text)
    assert time.process_time() - began < 1.0
    assert len(lines) == 51
    assert lines[-1] == "and 14920 more"
    assert lines[0].startswith("b.yaml:2: ")
    assert "; did you mean 'timeout'?" in "\n".join(lines)


def test_names_of_files_need_not_be_utf8(tmp_path: Path) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/f\xff.x", os.O_CREAT))
    job = '{id: "n-{item}", foreach: {glob: "*.x"}, bash: "cat {item}", env: {F: "{item}"}, cwd: "{item}"'
    spec = load(tmp_path, f"jobs:\n  - {job}}}\n")
    assert spec.jobs[0].name == "n-f-.x"
    assert b"f\xff.x" in spec.jobs[0].payload
    assert terms_of(spec, 1).env == ((b"F", b"f\xff.x"),)
    assert terms_of(spec, 1).cwd.endswith(b"/f\xff.x")
    (line,) = told(tmp_path, f"jobs:\n  - {job}, tags: ['{{item}}']}}\n")
    assert line.startswith("b.yaml:2: jobs[0].tags: expected words without blanks or commas, got ['f\\udcff.x']")


def test_an_item_where_there_are_only_names_is_a_mistake(tmp_path: Path) -> None:
    text = 'jobs:\n  - {foreach: {os: [a], n: [1]}, bash: {argv: [echo, "x{item}"]}}\n'
    assert told(tmp_path, text) == [
        "b.yaml:2: jobs[0].foreach: there is no {item} here; there are: {os}, {n}, {index}"
    ]


def test_a_phase_cannot_wait_for_a_later_one(tmp_path: Path) -> None:
    text = "jobs:\n  - {id: a, bash: x, needs: [b]}\n  - {id: b, bash: x}\nphases: [[a], [b]]\n"
    assert told(tmp_path, text) == ["b.yaml:2: jobs[0].needs: jobs wait for each other: a → b → phase 1 → a"]


def test_json_and_json_lines_say_the_same(tmp_path: Path) -> None:
    jobs = [{"id": "u", "foreach": [1, 2], "bash": "echo {item}"}, {"bash": "echo", "needs": ["u"]}]
    text = json.dumps({"jobs": jobs, "on_failure": "pause"}, indent=1)
    as_json = load(tmp_path, text, "b.json")
    as_lines = load(tmp_path, "".join(json.dumps(job) + "\n" for job in jobs), "b.jsonl")
    as_yaml = load(tmp_path, text)
    assert as_json.jobs == as_lines.jobs == as_yaml.jobs
    assert as_json.header.rules == as_yaml.header.rules


def test_mistakes_in_json_have_lines(tmp_path: Path) -> None:
    lines = told(tmp_path, '{"jobs": [\n {"bash": "x"},\n {"bsh": "x"}]}', "b.json")
    assert lines[0].startswith("b.json:3: jobs[1]")
    assert told(tmp_path, '{"bash": "x"}\n{"bsh": "x"}\n', "b.jsonl")[0].startswith("b.jsonl:2: ")


def big(jobs: int, change: dict[int, str]) -> str:
    chance = random.Random(1)
    lines = ["jobs:"]
    for i in range(jobs):
        needs = chance.sample(range(max(0, i - 500), i), min(3, i))
        line = f"  - {{id: j{i}, bash: 'true', needs: [{', '.join(f'j{n}' for n in needs)}]}}"
        lines.append(change.get(i, line))
    return "\n".join(lines)


@pytest.mark.slow
def test_ten_thousand_jobs_with_thirty_thousand_edges_are_read_within_a_second(tmp_path: Path) -> None:
    text = big(10_000, {})
    began = time.process_time()
    spec = load(tmp_path, text)
    assert time.process_time() - began < 1.0
    assert sum(len(job.needs) for job in spec.jobs) == 29_994


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({2000: "  - {id: j2000, bash: x, needs: [j4990, j1]}"}, "jobs wait for each other: "),
        ({2000: "  - {id: j2000, bash: x, needs: [j51x]}"}, "there is no job 'j51x'; did you mean 'j51"),
        ({2000: "  - {id: j2000, bahs: x}"}, "there is no key 'bahs' here; did you mean 'bash'?"),
        ({2000: "  - {id: j2000, bash: x, timeout: soon}"}, "expected a duration"),
        ({i: f"  - {{id: j{i}, bash: x, needs: [k{i}]}}" for i in range(1, 5000)}, "there is no job 'k1'"),
    ],
)
def test_mistakes_in_five_thousand_lines_are_found_within_a_second(
    tmp_path: Path, change: dict[int, str], expected: str
) -> None:
    text = big(5000, change)
    began = time.process_time()
    lines = told(tmp_path, text)
    assert time.process_time() - began < 1.0
    assert expected in lines[0]
    assert lines[0].startswith(f"b.yaml:{min(change) + 2}: ") or "each other" in lines[0]
