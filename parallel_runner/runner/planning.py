"""From a batch that is about to be made to its plan: nothing is run, and nothing is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from parallel_runner.errors import StateError
from parallel_runner.ids import GROUP_BASE
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.store import Journal
from parallel_runner.model import fan_out
from parallel_runner.model.batch import BatchHeader, Presentation
from parallel_runner.model.fan_out import FAN_OUT
from parallel_runner.model.job import Job, JobSpec
from parallel_runner.reports.estimates import Estimate, Past, Spread, capped, read_past
from parallel_runner.reports.plain import one_line
from parallel_runner.reports.planned import ChainRecord, PlannedRecord, PlanRecord, SpanRecord
from parallel_runner.reports.records import text_of
from parallel_runner.runner.labels import Labels
from parallel_runner.scheduler.critical import critical_path, peak
from parallel_runner.scheduler.gates import Gates
from parallel_runner.scheduler.rehearsal import Rehearsal, Score, Start, rehearse
from parallel_runner.tools.signatures import signature_of

UNIT = 1.0
"""How long each job takes when nothing is known of any."""
_NAME_WIDTH = 60


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A batch, and how it is to be run."""

    header: BatchHeader
    jobs: Sequence[JobSpec]
    slots: int
    wanted: int = 0
    """Jobs at once that were asked for, which may be more than the home allows."""
    gates: Gates = field(default_factory=Gates)
    barrier_timeout: float = 30.0
    """Seconds, as configured."""
    barrier_delay: float = 0.0
    """Seconds, as configured."""


def past_of(state: str) -> tuple[Past, str]:
    """What this home knows, and why it knows nothing, if something is in the way."""
    layout = StateLayout(state)
    if not os.path.exists(layout.journal):
        return Past(), ""
    try:
        journal = Journal(layout, read_only=True)
    except StateError as error:
        return Past(), str(error)
    try:
        return read_past(journal), ""
    except StateError as error:
        return Past(), str(error)
    finally:
        journal.close()


def plan(asked: Asked, past: Past, trouble: str = "") -> PlanRecord:
    """How a batch would go, as far as the past tells; `trouble`: why that tells nothing."""
    estimates = [_estimate(spec, asked, past) for spec in asked.jobs]
    known = [one.wall.p50 for one in estimates if one.wall is not None]
    median = sorted(known)[(len(known) - 1) // 2] if known else None
    default = UNIT if median is None else median
    walls = [one.wall or Spread(default, default, default) for one in estimates]
    score = _score(asked, in_units=median is None)
    typical = rehearse(score, [one.p50 for one in walls])
    varied = any(one.p5 != one.p95 for one in walls)
    others = [rehearse(score, [one[side] for one in walls]).makespan for side in (0, 2)] if varied else []
    spans = [typical.makespan, *others]
    chain = critical_path(typical.starts, asked.jobs)
    memory = {place: int(one.memory.p95) for place, one in enumerate(estimates, 1) if one.memory is not None}
    run = [estimates[start.place - 1] for start in typical.starts if start.slot]
    return PlanRecord(
        name=asked.header.name or None,
        slots=asked.slots,
        unit="jobs" if median is None else "seconds",
        # Longer jobs can make a batch shorter, by another order: the band holds the middle all the same.
        makespan=SpanRecord(p50=_rounded(spans[0]), least=_rounded(min(spans)), most=_rounded(max(spans))),
        peak_memory_p95=peak(typical.starts, memory) if memory else None,
        critical_path=ChainRecord(length=_rounded(chain.length), jobs=chain.places),
        unknown_time=sum(one.wall is None for one in run),
        unknown_memory=sum(one.memory is None for one in run),
        thin=sum(one.thin for one in run),
        jobs=_Rows(asked, estimates).of(typical),
        notes=(
            *([f"no history: {trouble}"] if trouble else ()),
            *_notes(asked, typical, in_units=median is None),
        ),
    )


def _estimate(spec: JobSpec, asked: Asked, past: Past) -> Estimate:
    terms = asked.header.terms[spec.terms]
    if terms.tool == FAN_OUT:
        return Estimate(FAN_OUT)
    return capped(past.estimate(terms.tool, signature_of(terms.tool, spec.payload)), terms)


def _score(asked: Asked, *, in_units: bool) -> Score:
    """Where time is counted in jobs, waits in seconds have no place in it."""
    score = Score(
        jobs=asked.jobs,
        terms=asked.header.terms,
        rules=asked.header.rules,
        slots=asked.slots,
        delay=asked.gates.delay,
        adaptive=asked.gates.adaptive,
        barrier_timeout=asked.barrier_timeout,
        barrier_delay=asked.barrier_delay,
    )
    if not in_units:
        return score
    return replace(score, rules=msgspec.structs.replace(score.rules, barrier_delay=0.0), delay=0.0)


class _Rows:
    """The jobs of a plan as records."""

    def __init__(self, asked: Asked, estimates: Sequence[Estimate]) -> None:
        self._asked = asked
        self._estimates = estimates
        self._terms = asked.header.terms
        self._labels = Labels(self._terms, Presentation.unpacked(asked.header.results))

    def of(self, gone: Rehearsal) -> tuple[PlannedRecord, ...]:
        rows = [self._row(start.place, "run" if start.slot else "become", start) for start in gone.starts]
        rows += [self._row(place, "skip", because=cause) for place, cause in gone.skipped]
        return (*rows, *(self._row(place, "wait") for place in gone.left))

    def _row(self, place: int, will: str, start: Start | None = None, because: int = 0) -> PlannedRecord:
        spec, estimate = self._asked.jobs[place - 1], self._estimates[place - 1]
        slot = start.slot if start is not None else 0
        command, base64 = text_of(self._command(place, spec, slot))
        wall, memory = estimate.wall, estimate.memory
        return PlannedRecord(
            seq=place,
            will=will,  # type: ignore[arg-type]
            start=_rounded(start.at) if start is not None else None,
            slot=slot or None,
            tool=self._terms[spec.terms].tool,
            signature=estimate.signature,
            basis=estimate.basis,
            samples=estimate.samples,
            thin=estimate.thin,
            wall_p50=_rounded(wall.p50) if wall is not None else None,
            wall_p95=_rounded(wall.p95) if wall is not None else None,
            max_rss_p50=int(memory.p50) if memory is not None else None,
            max_rss_p95=int(memory.p95) if memory is not None else None,
            **({"id": spec.name} if spec.name else {}),
            **({"because": self._because(place, because)} if because else {}),
            command=command,
            command_b64=base64,
        )

    def _command(self, place: int, spec: JobSpec, slot: int) -> bytes:
        if self._terms[spec.terms].tool == FAN_OUT:
            told = fan_out.decode(spec.payload)
            source = called(self._asked.jobs, told.source)
            return f"becomes a {told.tool} job for each of the {told.view} of {source}".encode()
        return self._labels.command(Job(place, spec.terms, spec.payload, 0, spec.name), slot)

    def _because(self, place: int, cause: int) -> str:
        need = next(need for need in self._asked.jobs[place - 1].needs if need.job == cause)
        if cause >= GROUP_BASE:
            return f"needs {self._asked.header.rules.groups[cause - GROUP_BASE].name} to have {need.when}"
        return f"needs {called(self._asked.jobs, cause)} to have {need.when}"


def called(jobs: Sequence[JobSpec], place: int) -> str:
    """A job by its id, or else its number."""
    return one_line(jobs[place - 1].name, _NAME_WIDTH) or f"job {place}"


def _notes(asked: Asked, gone: Rehearsal, *, in_units: bool) -> list[str]:
    notes = []
    if asked.wanted > asked.slots:
        notes.append(f"{asked.wanted} jobs at once are asked for; this home allows {asked.slots}")
    became = sum(start.pool == FAN_OUT for start in gone.starts)
    if became:
        which = "1 job becomes" if became == 1 else f"{became} jobs become"
        notes.append(f"what {which} is not known before, and takes no time here")
    if gone.left:
        notes.append(f"jobs that would never start, since a phase would not come to its end: {len(gone.left)}")
    deadline = asked.header.rules.deadline
    if deadline is not None and not in_units and gone.makespan > deadline:
        notes.append(f"the deadline of the batch, {deadline:g} s, would be over before its end")
    if asked.gates.load is not None or asked.gates.memory_free is not None:
        notes.append("waits for --load and --memfree are not in the plan")
    if in_units and (asked.gates.delay or any(one.kind == "phase" for one in asked.header.rules.groups)):
        notes.append("waits of --delay and between phases are not in a plan that counts in jobs")
    return notes


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
