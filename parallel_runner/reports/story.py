"""Why a job is where it is: its attempts and what they wait for, in sentences."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from parallel_runner.ids import GROUP_BASE, attempt_name, is_group, job_name, seq_of
from parallel_runner.journal import spool
from parallel_runner.journal.locks import is_held
from parallel_runner.journal.owners import is_alive, owner_of
from parallel_runner.journal.rows import BatchRow, unpack_attempts
from parallel_runner.journal.store import Journal
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome, shell_status
from parallel_runner.reports.records import describe, stamp


def tell(journal: Journal, batch: BatchRow, job: int) -> list[str]:
    """The lines for `why`."""
    terms_index, payload, name = journal.read("one_job", (job,))[0][1:4]
    terms = batch.header.terms[terms_index]
    command = describe(terms.tool, payload).decode("utf-8", "backslashreplace").encode("unicode_escape").decode()
    lines = [f"{job_name(job)}{f' ({name})' if name else ''}: {terms.tool}: {command[:500]}"]
    rows = list(journal.attempts(batch.id, job))
    for row in rows:
        lines.append("  " + _attempt_line(row.outcome, row.final))
    if rows and rows[-1].final:
        return lines
    lines.append("  " + _where(journal, batch, job))
    states = journal.final_states(batch.id)
    needs = journal.needs(batch.id)
    for dependent, needed, condition in needs:
        if dependent != job:
            continue
        if is_group(needed):
            lines.append(f"  needs {_group_name(batch, needed)} {condition}: {_members(needs, needed, states)}")
            continue
        state = states.get(needed)
        lines.append(f"  needs {job_name(needed)} {condition}: it is {state.value if state else 'not ended'}")
    return lines


def _group_name(batch: BatchRow, group: int) -> str:
    return batch.header.rules.groups[seq_of(group) - GROUP_BASE].name


def _members(needs: Sequence[tuple[int, int, str]], group: int, states: Mapping[int, State]) -> str:
    members = [member for one, member, condition in needs if one == group and condition == "member"]
    ended = [states[member] for member in members if member in states]
    good = sum(state is State.SUCCEEDED for state in ended)
    return f"of its {len(members)} jobs {len(ended)} have ended, {good} succeeded"


def _attempt_line(outcome: Outcome, final: bool) -> str:
    parts = [f"{attempt_name(outcome.attempt)}: {outcome.state.value}"]
    if outcome.failure is not None:
        parts.append(f"class {outcome.failure.value}")
    if outcome.started_at:
        parts.append(f"exit {shell_status(outcome)}")
        parts.append(f"{outcome.usage.wall:.3f} s from {stamp(outcome.started_at)}")
    if outcome.detail:
        parts.append(outcome.detail)
    if not final:
        parts.append("another attempt follows" if outcome.state is not State.INTERRUPTED else "waits for `resume`")
    return ", ".join(parts)


def _where(journal: Journal, batch: BatchRow, job: int) -> str:
    for worker, _owner, attempts in journal.read("all_leases"):
        for attempt in unpack_attempts(attempts):
            if attempt >> 8 != job:
                continue
            if in_hand(journal, worker) == attempt:
                return f"running as {attempt_name(attempt)} on worker {worker}"
            return f"promised to worker {worker}, not started"
    if batch.owner is not None and is_alive(journal.layout, batch.owner):
        return "waits for its turn"
    return f"nobody runs its batch now (it is {batch.state}); `parallel-runner resume` goes on with it"


def in_hand(journal: Journal, worker: str) -> int:
    """The attempt that a worker's spool says is running; 0: none."""
    began = 0
    for record in spool.read(journal.layout.spool(worker)):
        if isinstance(record, spool.Began):
            began = record.attempt
        elif isinstance(record, spool.Ended):
            began = 0
    return began


def running(journal: Journal) -> list[tuple[str, str, int, int]]:
    """(worker, owner's condition, pid, attempt) of all workers that live on this home; attempt 0: idle."""
    found = []
    names = sorted(os.listdir(f"{journal.layout.root}/spool"))
    for worker in (name[: -len(".spool")] for name in names if name.endswith(".spool")):
        if not is_held(journal.layout.worker_lock(worker)):
            continue
        opened = next(iter(spool.read(journal.layout.spool(worker))), None)
        pid = opened.pid if isinstance(opened, spool.Opened) else 0
        condition = "run" if is_alive(journal.layout, owner_of(worker)) else "orphan"
        found.append((worker, condition, pid, in_hand(journal, worker)))
    return found
