"""Which jobs go to which worker, and when workers are asked for again."""

from __future__ import annotations

from pathlib import Path

from parallel_runner.clock import FakeClock
from parallel_runner.executors.memory import MemoryExecutor
from parallel_runner.ids import job_id
from parallel_runner.model.job import Job
from parallel_runner.model.terms import Terms
from parallel_runner.runner.leasing import Leasing
from parallel_runner.runner.pacing import Conduct, Pacing
from parallel_runner.runner.recording import Recorder
from parallel_runner.runner.slots import Slots
from parallel_runner.scheduler.needs import Needs
from parallel_runner.scheduler.schedule import Schedule
from tests.support.journals import open_journal


class Counting(MemoryExecutor):
    """Remembers what sizes it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def resize(self, pool: str, size: int) -> None:
        """Note it."""
        self.asked.append(size)
        super().resize(pool, size)


def test_a_pool_whose_idle_workers_left_grows_again(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    clock = FakeClock()
    executor = Counting()
    schedule = Schedule([Terms(tool="bash")], Needs([], {}))
    recorder = Recorder(journal, executor, "owner", clock)
    slots = Slots(journal, "owner", 10, 1, clock)
    leasing = Leasing(schedule, executor, recorder, slots, 1, clock, Pacing(Conduct(1), clock))
    schedule.add([Job(job_id(1, 1), 0, b"")])
    leasing.lease()
    assert executor.asked == [1]
    schedule.held.clear()
    schedule.drop_unstarted()
    leasing.retired("bash")
    schedule.add([Job(job_id(1, 2), 0, b"")])
    leasing.lease()
    assert executor.asked == [1, 1]
    journal.close()
