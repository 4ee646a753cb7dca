"""Reports as tables: rows are made once, and shown as text or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contestants import TITLES
from benchmarks.ratios import Spread, cpu_per_job, rate_spread, ratio_spread, slice_rates, spread
from benchmarks.records import Contest, DispatchReport, Machine, ScaleReport, ScaleRun, WorkersReport

MB = 1_000_000
MIN_CPU_JOBS = 1_000
"""With fewer jobs in a run, the clock's ticks of 10 ms say nothing about one job."""


@dataclass(frozen=True)
class Table:
    """Headings and rows of equal length; the first column is text, the others are figures."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def as_text(table: Table) -> str:
    """Aligned columns."""
    lines = [table.head, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def as_markdown(table: Table) -> str:
    """A pipe table."""
    rule = ["---", *["---:"] * (len(table.head) - 1)]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
        for line in (table.head, rule, *table.rows)
    )


def figure(value: float) -> str:
    """A figure with as many digits as it deserves: 1.32, 15.1, 2,710."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def told(value: Spread, unit: str = "") -> str:
    """`1.32 (1.21 to 1.40)`; a single value has no spread."""
    if value.count == 1:
        return f"{figure(value.median)}{unit}"
    return f"{figure(value.median)}{unit} ({figure(value.low)} to {figure(value.high)})"


def dispatch(report: DispatchReport) -> Table:
    """One row per contest."""
    head = (
        "workload, peer",
        "jobs",
        "ours, jobs/s",
        "peer, jobs/s",
        "ratio (least to greatest)",
        "pairs",
        "ours, CPU µs/job",
        "peer, CPU µs/job",
    )
    return Table(head, [_contest_row(contest) for contest in report.contests if contest.pairs])


def _contest_row(contest: Contest) -> tuple[str, ...]:
    mark = "" if contest.peer_start_up else " *"
    return (
        f"{contest.workload}, {TITLES.get(contest.peer, contest.peer)}{mark}",
        f"{contest.jobs:,}",
        figure(rate_spread(contest.jobs, [pair.ours for pair in contest.pairs]).median),
        figure(rate_spread(contest.jobs, [pair.peer for pair in contest.pairs]).median),
        told(ratio_spread(contest.pairs)),
        str(len(contest.pairs)),
        figure(spread([pair.ours_cpu / contest.jobs for pair in contest.pairs]).scaled(1e6).median),
        # A library's start-up is not in its time, but is in the CPU that its process used.
        figure(spread([pair.peer_cpu / contest.jobs for pair in contest.pairs]).scaled(1e6).median)
        if contest.peer_start_up
        else "–",
    )


def supervisor_cpu(report: DispatchReport) -> tuple[Spread, Spread, int] | None:
    """Seconds of CPU per job of the supervisor: (start-up left out, start-up included, jobs of a run).

    Taken from the runs with the most jobs; None when no run was long enough, or start-up was not measured.
    """
    long = [contest for contest in report.contests if contest.supervisor_cpu and contest.jobs >= MIN_CPU_JOBS]
    if not long or report.start_up is None:
        return None
    jobs = max(contest.jobs for contest in long)
    totals = [total for contest in long if contest.jobs == jobs for total in contest.supervisor_cpu]
    start_up = spread(report.start_up.one_job_cpu).median
    return cpu_per_job(totals, start_up, jobs), cpu_per_job(totals, 0.0, jobs), jobs


def single_figures(report: DispatchReport) -> list[str]:
    """What a dispatch report says beside its contests, a sentence each."""
    lines = []
    if report.start_up is not None:
        help_ms = spread(report.start_up.help_seconds).scaled(1000)
        one_ms = spread(report.start_up.one_job_seconds).scaled(1000)
        lines.append(f"`--help`: {told(help_ms, ' ms')}; a `run` of one job: {told(one_ms, ' ms')}.")
    cpu = supervisor_cpu(report)
    if cpu is not None:
        marginal, whole, jobs = cpu
        cost, all_of_it = told(marginal.scaled(1e6), " µs"), told(whole.scaled(1e6), " µs")
        lines.append(
            f"CPU of the supervisor itself, runs of {jobs:,} jobs: {cost} per job; with its start-up {all_of_it}."
        )
    others = [pair.others for contest in report.contests for pair in contest.pairs]
    if others:
        lines.append(f"Other processes kept {told(spread(others))} cores busy meanwhile.")
    lines += [f"Not compared: {TITLES.get(peer, peer)} ({why})." for peer, why in report.skipped.items()]
    return lines


START_UP_NOTE = (
    "Our time is that of the whole command, start-up and end included; so is that of other commands. Peers marked "
    "* are libraries: their pools are started and warmed up before the clock runs."
)


def dispatch_text(report: DispatchReport) -> str:
    """The whole report for a terminal."""
    parts = [about(report.machine, report.versions), as_text(dispatch(report)), START_UP_NOTE]
    return "\n\n".join([*parts, "\n".join(single_figures(report))]).rstrip()


def about(machine: Machine, versions: dict[str, str]) -> str:
    """Where and with what, in a line or two."""
    made_of = ", ".join(f"{TITLES.get(name, name)}: {version}" for name, version in versions.items() if version)
    bytecode = "" if machine.bytecode else "; WITHOUT compiled bytecode of dependencies"
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory / 1e9:.0f} GB, Linux {machine.kernel}, "
        f"Python {machine.python}, {machine.file_system}{bytecode}.\n{made_of}."
    )


def scale(report: ScaleReport) -> Table:
    """One row per run."""
    head = (
        "jobs",
        "seconds",
        "jobs/s",
        "last tenth ÷ first",
        "peak RSS, MB",
        "CPU/job, µs",
        "journal, MB",
        "B/job",
        "resume scan, ms",
    )
    return Table(head, [_scale_row(run) for run in report.runs])


def _scale_row(run: ScaleRun) -> tuple[str, ...]:
    return (
        f"{run.jobs:,}",
        figure(run.seconds),
        figure(run.jobs / run.seconds),
        course(run),
        figure(run.peak_rss / MB),
        figure(run.supervisor_cpu / run.jobs * 1e6),
        figure(run.journal / MB),
        figure(run.journal / run.jobs),
        figure(run.resume_scan * 1000),
    )


def course(run: ScaleRun) -> str:
    """Last tenth's rate over the first's; a dash when the run was too short to say."""
    try:
        rates = slice_rates(run.samples, run.jobs)
    except ValueError:
        return "–"
    return figure(rates[-1] / rates[0])


def slices(report: ScaleReport) -> Table:
    """Rate and memory in each tenth of each run that was long enough."""
    rows = []
    for run in report.runs:
        try:
            rates = slice_rates(run.samples, run.jobs)
        except ValueError:
            continue
        rows.append((f"{run.jobs:,}: jobs/s", *[figure(rate) for rate in rates]))
        rows.append((f"{run.jobs:,}: RSS, MB", *[figure(rss / MB) for rss in rss_by_slice(run)]))
    return Table(("tenth", *[str(number) for number in range(1, 11)]), rows)


def rss_by_slice(run: ScaleRun, parts: int = 10) -> list[int]:
    """The greatest resident size seen in each part of the run, bytes; the last one seen when a part has none."""
    greatest: list[int] = []
    for part in range(parts):
        low, high = run.jobs * part // parts, run.jobs * (part + 1) // parts
        seen = [sample.rss for sample in run.samples if low < sample.done <= high and sample.rss]
        greatest.append(max(seen) if seen else greatest[-1] if greatest else 0)
    return greatest


def workers(report: WorkersReport) -> Table:
    """One row."""
    head = ("workers", "seconds", "all workers, MB (PSS)", "supervisor, MB (PSS)", "rounds")
    row = (
        str(report.count),
        told(spread(report.seconds)),
        told(spread(report.workers_pss).scaled(1 / MB)),
        told(spread(report.supervisor_pss).scaled(1 / MB)),
        str(len(report.seconds)),
    )
    return Table(head, [row])
