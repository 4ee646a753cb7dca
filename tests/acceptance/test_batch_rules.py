"""What holds for a batch as a whole, from end to end: phases, last jobs, stops, deadlines, locks, fan-out."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

from tests.support.cli import Program
from tests.support.waiting import wait_for


def write(program: Program, text: str, name: str = "b.yaml") -> None:
    (program.work / name).write_text(text)


def by_name(program: Program, batch: str = "b1") -> dict[str, dict[str, Any]]:
    """The last attempt of each job, by its id or place."""
    return {str(row.get("id") or row["seq"]): row for row in program.results(batch)}


def order(program: Program) -> list[str]:
    """What the jobs appended to `log`."""
    return (program.work / "log").read_text().split()


def test_foreach_and_needs_of_a_group(program: Program) -> None:
    write(
        program,
        """\
jobs:
  - {id: unit, foreach: [a, b c, "$(touch pwned)"], bash: 'echo unit >> log; printf "%s\\n" "<{item}>"'}
  - {id: after, bash: echo after >> log, needs: [unit]}
  - {id: pair, foreach: {x: [1, 2], y: [p, q]}, bash: "echo {x}{y} ${HOME:+home} {{x}}", env: {Y: "{y}"}}
""",
    )
    done = program("run", "-k", "-f", "b.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == [b"<a>", b"<b c>", b"<$(touch pwned)>"]
    assert done.stdout.splitlines()[3:] == [f"{x}{y} home {{x}}".encode() for x in (1, 2) for y in "pq"]
    assert order(program) == ["unit"] * 3 + ["after"]
    assert not (program.work / "pwned").exists()


def test_phases_wait_for_each_other(program: Program) -> None:
    write(
        program,
        """\
barrier: {delay: 0.3}
jobs:
  - {id: a, bash: "sleep 0.2; echo a >> log; false"}
  - {id: b, foreach: [1, 2], bash: echo b >> log}
  - {id: c, bash: echo c >> log}
  - {bash: echo free >> log}
phases: [[a], [b], [c]]
""",
    )
    done = program("run", "-f", "b.yaml")
    assert done.returncode == 1
    assert order(program) == ["free", "a", "b", "b", "c"]


def test_stop_skips_what_has_not_started_and_last_jobs_run(program: Program) -> None:
    write(
        program,
        """\
on_failure: stop
jobs:
  - {id: slow, bash: "sleep 0.5; echo slow >> log"}
  - {id: bad, bash: exit 3, retries: 1}
  - {id: never, foreach: {range: 1..20}, bash: echo never >> log, needs: [slow]}
finally:
  - {id: clean, bash: echo clean >> log}
  - {id: last, bash: echo last >> log, needs: [clean]}
""",
    )
    done = program("run", "-j2", "-f", "b.yaml")
    assert done.returncode == 21
    assert b"b1 stopped (b1.2 failed): what has not started is skipped" in done.stderr
    assert order(program) == ["slow", "clean", "last"]
    rows = by_name(program)
    assert (rows["never.7"]["state"], rows["never.7"]["class"]) == ("skipped", "dependency")
    assert b"done" in program("history").stdout


def test_pause_keeps_what_has_not_started_for_resume(program: Program) -> None:
    write(
        program,
        """\
on_failure: pause
jobs:
  - {id: bad, bash: test -e ok}
  - {id: after, bash: echo after >> log, needs: {after: bad, when: finished}}
finally: [{bash: echo clean >> log}]
""",
    )
    done = program("run", "-f", "b.yaml")
    assert done.returncode == 1
    assert b"b1.1 failed: nothing new starts; to go on: parallel-runner resume b1" in done.stderr
    assert not (program.work / "log").exists()
    assert program("resume", "b1").returncode == 1
    assert order(program) == ["after", "clean"]
    (program.work / "ok").touch()
    assert program("retry", "b1").returncode == 0
    assert order(program) == ["after", "clean", "clean"], "what was tried again is followed by the last jobs again"


def test_deadline_of_a_batch(program: Program) -> None:
    write(
        program,
        """\
deadline: 0.5
jobs:
  - {id: long, bash: sleep 30, retries: 3}
  - {id: never, bash: echo never, needs: {after: long, when: finished}}
finally: [{bash: "sleep 0.2; echo clean >> log"}]
""",
    )
    done = program("run", "-f", "b.yaml")
    assert done.returncode == 124
    assert b"the deadline of b1, 0.5 s, is over" in done.stderr
    rows = by_name(program)
    assert (rows["long"]["state"], rows["long"]["number"]) == ("timed_out", 1)
    assert (rows["never"]["state"], rows["never"]["class"]) == ("skipped", "timeout")
    assert order(program) == ["clean"]


def test_deadline_of_a_job_covers_its_attempts(program: Program) -> None:
    write(
        program,
        """\
jobs:
  - {id: slow, bash: "sleep 30", deadline: 0.3, retries: 5}
  - {id: again, bash: "exit 9", deadline: 0.5, retries: {max: 9, backoff: 0.3}}
""",
    )
    done = program("run", "-f", "b.yaml")
    assert done.returncode == 2
    rows = program.results()
    assert [row["state"] for row in rows if row.get("id") == "slow" or row["seq"] == 1] == ["timed_out"]
    ends = [row for row in rows if row["seq"] == 2]
    assert 2 <= len(ends) <= 3
    assert "no time is left of its 0.5 s" in ends[-1]["detail"]


def test_interrupted_batches_clean_up_and_again_after_resume(program: Program) -> None:
    write(
        program,
        """\
jobs:
  - {id: long, bash: "touch up; test -e ok || sleep 30; echo long >> log"}
  - {id: next, bash: echo next >> log, needs: [long]}
finally:
  - {id: clean, bash: echo clean >> log}
  - {id: if-long, bash: echo wrong >> log, needs: [long]}
""",
    )
    process = program.start("run", "-f", "b.yaml")
    wait_for(lambda: (program.work / "up").exists())
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"to go on: parallel-runner resume b1" in stderr
    assert order(program) == ["clean"]
    (program.work / "ok").touch()
    done = program("resume", "b1")
    assert done.returncode == 0, done.stderr
    assert order(program)[:3] == ["clean", "long", "next"]
    assert sorted(order(program)[3:]) == ["clean", "wrong"]


def test_two_interrupts_do_without_last_jobs(program: Program) -> None:
    write(
        program,
        """\
jobs: [{bash: "trap 'touch told' TERM; touch up; while :; do sleep 0.1; done", grace: 30}]
finally: [{bash: echo clean >> log}]
""",
    )
    process = program.start("run", "-f", "b.yaml")
    wait_for(lambda: (program.work / "up").exists())
    process.send_signal(signal.SIGINT)
    wait_for(lambda: (program.work / "told").exists())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert not (program.work / "log").exists()


def test_locks_keep_jobs_apart(program: Program) -> None:
    write(
        program,
        """\
defaults: {locks: [db]}
jobs:
  - {id: one, foreach: {range: 1..6}, bash: "mkdir held && sleep 0.02 && rmdir held"}
  - {id: both, foreach: {range: 1..3}, bash: "mkdir held && rmdir held", locks: [db, gpu], retries: 1}
  - {id: free, foreach: {range: 1..6}, bash: "true", locks: []}
""",
    )
    runs = [program.start("run", "-j4", "-f", "b.yaml") for _ in range(2)]
    for run in runs:
        _, stderr = run.communicate(timeout=60)
        assert run.returncode == 0, stderr
    assert len(program.results("b1")) == len(program.results("b2")) == 15


def test_a_barrier_without_progress_is_opened(program: Program) -> None:
    write(
        program, 'jobs: [{bash: "touch up; while test ! -e go; do sleep 0.02; done", locks: db}]\n', "holder.yaml"
    )
    write(
        program,
        """\
barrier: {timeout: 0.4, delay: 0}
jobs:
  - {id: a, bash: echo a >> log, locks: db}
  - {id: b, bash: "echo b >> log; touch go"}
phases: [[a], [b]]
""",
    )
    holder = program.start("run", "-f", "holder.yaml")
    wait_for(lambda: (program.work / "up").exists())
    done = program("run", "-f", "b.yaml")
    holder.communicate(timeout=20)
    assert done.returncode == 0, done.stderr
    assert b"phase 1: no progress for a while; the next phase begins" in done.stderr
    assert order(program) == ["b", "a"]


def test_why_tells_of_the_group_that_is_waited_for(program: Program) -> None:
    write(
        program,
        """\
on_failure: pause
jobs:
  - {id: bad, bash: "false"}
  - {id: unit, foreach: [0, 1, 2], bash: echo, needs: {after: bad, when: finished}}
  - {id: after, bash: echo, needs: [unit]}
""",
    )
    assert program("run", "-j1", "-f", "b.yaml").returncode == 1
    told = program("why", "b1.after").stdout.decode()
    assert "needs unit succeeded: it has not ended" in told


def test_what_is_expected_decides(program: Program) -> None:
    write(
        program,
        """\
jobs:
  - {id: code, bash: exit 3, expect: [0, 3]}
  - {id: wrong, bash: echo hello, expect: {stdout: "^bye"}}
  - {id: right, bash: "echo hello; echo a warning >&2", expect: {stdout: "^hel+o$", stderr_contains: warn}}
  - {id: not-0, bash: "true", expect: 1}
  - {id: killed, bash: "kill -9 $$", expect: [0, 137]}
""",
    )
    done = program("run", "-f", "b.yaml")
    assert done.returncode == 3
    rows = by_name(program)
    assert {name: row["state"] for name, row in rows.items()} == {
        "code": "succeeded",
        "wrong": "failed",
        "right": "succeeded",
        "not-0": "failed",
        "killed": "failed",
    }
    assert rows["wrong"]["class"] == "exit"
    assert rows["wrong"]["detail"] == "stdout has no match for '^bye', which was expected"
    assert rows["not-0"]["detail"] == "exit code 0, expected 1"
    assert rows["killed"]["class"] == "signal"


def test_long_output_is_looked_at_as_a_whole(program: Program) -> None:
    write(
        program,
        """\
jobs:
  - bash: seq 30000; echo needle; seq 30000
    expect: {stdout: "^needle$"}
    validate: grep -q needle $PARALLEL_RUNNER_STDOUT
""",
    )
    assert program("run", "-f", "b.yaml").returncode == 0


def test_a_command_validates_what_a_job_did(program: Program) -> None:
    write(
        program,
        """\
defaults: {validate: 'test "$(cat $PARALLEL_RUNNER_STDOUT)" = ok && test $PARALLEL_RUNNER_EXIT = 0'}
jobs:
  - {id: good, bash: echo ok}
  - {id: bad, bash: echo no, retries: 1}
  - {id: told, bash: "echo x >&2", validate: "cat $PARALLEL_RUNNER_STDERR; echo it is bad >&2; exit 4"}
  - {id: slow, bash: "true", validate: {command: sleep 30, timeout: 0.2}}
  - {id: failed, bash: exit 5, validate: touch looked}
""",
    )
    done = program("run", "-f", "b.yaml")
    assert done.returncode == 4
    rows = by_name(program)
    assert rows["good"]["state"] == "succeeded"
    assert rows["good"]["stdout"] == "ok\n"
    assert (rows["bad"]["state"], rows["bad"]["number"]) == ("failed", 2)
    assert rows["bad"]["detail"] == "not validated: exit code 1"
    assert rows["told"]["detail"] == "not validated: exit code 4: it is bad"
    assert "timed out after 0.2 s" in rows["slow"]["detail"]
    assert not (program.work / "looked").exists()


def test_a_budget_bounds_the_further_attempts_of_all(program: Program) -> None:
    write(program, "retry_budget: 3\njobs: [{foreach: {range: 1..4}, bash: exit 1, retries: 2}]\n")
    assert program("run", "-f", "b.yaml").returncode == 4
    rows = program.results()
    assert len(rows) == 4 + 3
    assert any("the batch's 3 further attempts are used up" in row.get("detail", "") for row in rows)


def test_priority_decides_who_goes_first(program: Program) -> None:
    write(
        program,
        """\
jobs:
  - {foreach: [1, 2, 3], bash: echo low >> log, priority: lowest}
  - {foreach: [1, 2], bash: echo normal >> log}
  - {bash: echo first >> log, priority: highest}
""",
    )
    assert program("run", "-j1", "-f", "b.yaml").returncode == 0
    assert order(program) == ["first", "normal", "normal", "low", "low", "low"]


def test_fan_out_over_files_lines_and_records(program: Program) -> None:
    (program.work / "src").mkdir()
    for name in ("a.py", "b c.py", "it's.py"):
        (program.work / "src" / name).write_text("TODO one\nTODO two\n")
    write(
        program,
        """\
jobs:
  - {id: find, grep: {pattern: TODO, path: src}}
  - {id: each, foreach: {from: find.files}, bash: "wc -l < {item}", needs: [slow], tags: [t]}
  - {id: slow, bash: sleep 0.2}
  - {id: say, bash: 'printf "one\\ntwo words\\n"'}
  - {id: "line-{item}", foreach: {from: say.lines}, bash: {argv: [echo, "{item}"]}, cwd: "src"}
  - {id: rows, bash: 'echo "{\\"host\\": \\"h1\\", \\"n\\": 3}"; echo "{\\"host\\": \\"h 2\\", \\"n\\": 4}"'}
  - {id: row, foreach: {from: rows.json}, bash: "echo {host} {n} {index}"}
  - {id: none, bash: "true"}
  - {id: empty, foreach: {from: none.lines}, bash: "echo {item}"}
  - {id: after, bash: echo after, needs: [each, "line-{item}", row, empty]}
""",
    )
    done = program("run", "-j4", "-f", "b.yaml")
    assert done.returncode == 0, done.stderr
    rows = by_name(program)
    assert [rows[f"each.{n}"]["stdout"] for n in (1, 2, 3)] == ["2\n"] * 3
    assert rows["line-two-words"]["stdout"] == "two words\n"
    assert (rows["row.1"]["stdout"], rows["row.2"]["stdout"]) == ("h1 3 1\n", "h 2 4 2\n")
    assert rows["each"]["detail"] == "became 3 jobs"
    assert rows["empty"]["detail"] == "became no job: there is nothing to go through"
    last = max(rows.values(), key=lambda row: row["started_at"] or "")
    assert last["id"] == "after"
    assert b"foreach files of job 1" in program("why", "b1.each").stdout


def test_fan_out_fails_rather_than_to_leave_something_out(program: Program) -> None:
    for n in range(5):
        (program.work / f"f{n}.txt").touch()
    write(
        program,
        """\
jobs:
  - {id: some, glob: {pattern: "*.txt", max_results: 3}}
  - {id: cut, bash: seq 100000, max_output: 1000}
  - {id: text, bash: echo no json}
  - {id: typo, bash: echo 1 x}
  - {id: bad, bash: "false"}
  - {id: of-some, foreach: {from: some.files}, bash: "echo {item}"}
  - {id: of-cut, foreach: {from: cut.lines}, bash: "echo {item}"}
  - {id: of-text, foreach: {from: text.json}, bash: "echo {item}"}
  - {id: of-typo, foreach: {from: typo.lines}, bash: echo, timeout: "{item}"}
  - {id: of-bad, foreach: {from: bad.lines}, bash: "echo {item}"}
  - {id: after, bash: echo, needs: [of-some]}
""",
    )
    done = program("run", "-f", "b.yaml")
    rows = by_name(program)
    assert done.returncode == 7, done.stderr
    assert rows["of-some"]["class"] == "spawn"
    assert "leaves something out (2 more; max_results: 5 lists all" in rows["of-some"]["detail"]
    assert "raise its max_output" in rows["of-cut"]["detail"]
    assert "neither JSON lines nor a JSON array" in rows["of-text"]["detail"]
    assert "item 1 ('1 x'): timeout: expected a duration" in rows["of-typo"]["detail"]
    assert rows["of-bad"]["state"] == rows["after"]["state"] == "skipped"
    assert rows["after"]["detail"] == "needs of-some, which did not end as it must"


def test_children_of_a_fan_out_are_tried_again_with_what_waited_for_them(program: Program) -> None:
    write(
        program,
        """\
jobs:
  - {id: say, bash: seq 3}
  - {id: each, foreach: {from: say.lines}, bash: "test {item} != 2 || test -e ok"}
  - {id: after, bash: echo after, needs: [each]}
""",
    )
    done = program("run", "-f", "b.yaml")
    assert done.returncode == 2
    (program.work / "ok").touch()
    done = program("retry", "b1")
    assert (done.returncode, done.stdout) == (0, b"after\n"), done.stderr
    assert [row["id"] for row in program.results() if row["state"] == "succeeded"].count("each.2") == 1


def test_results_by_tag(program: Program) -> None:
    write(program, "jobs:\n  - {id: a, bash: echo, tags: [x, y]}\n  - {id: b, bash: echo}\n")
    assert program("run", "-f", "b.yaml").returncode == 0
    done = program("results", "--tag", "x")
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (row["id"], row["tags"]) == ("a", ["x", "y"])


def test_results_are_followed_through_a_fan_out(program: Program) -> None:
    write(
        program,
        """\
jobs:
  - {id: say, bash: "touch up; while test ! -e go; do sleep 0.02; done; seq 2"}
  - {id: each, foreach: {from: say.lines}, bash: 'echo "$X"', env: {X: "v{item}"}, tags: ["t{item}"]}
""",
    )
    run = program.start("run", "-f", "b.yaml")
    wait_for(lambda: (program.work / "up").exists())
    follower = program.start("results", "--follow", stdout=subprocess.PIPE)
    (program.work / "go").touch()
    out, err = follower.communicate(timeout=20)
    run.communicate(timeout=20)
    assert follower.returncode == 0, err
    rows = {row.get("id"): row for row in map(json.loads, out.splitlines())}
    assert (rows["each.2"]["stdout"], rows["each.2"]["tags"]) == ("v2\n", ["t2"])


def test_last_jobs_run_when_nobody_reads_the_output_any_more(program: Program) -> None:
    write(
        program,
        """\
jobs: [{id: talk, bash: "while echo talking; do sleep 0.02; done"}, {bash: "seq 100000"}]
finally: [{bash: "echo clean >> log"}]
""",
    )
    run = program.start("run", "-j2", "-f", "b.yaml", stdout=subprocess.PIPE)
    assert run.stdout is not None
    run.stdout.read(10)
    run.stdout.close()
    run.stdout = None
    run.communicate(timeout=30)
    assert run.returncode == 141
    assert order(program) == ["clean"]


def test_a_resumed_batch_tells_which_options_it_does_not_take_up(program: Program) -> None:
    program("run", "-k", "test -e go && echo {}", ":::", "a", "b")
    done = program(
        "run", "--resume-failed", "--tag", "--timeout", "5", "-k", "test -e go && echo {}", ":::", "a", "b"
    )
    assert b"b1 keeps what it was started with; not taken up: --tag, limits" in done.stderr
    done = program("run", "--resume-failed", "test -e go && echo {}", ":::", "a", "b")
    assert b"not taken up" not in done.stderr
