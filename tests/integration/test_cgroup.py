"""Control groups: found by trying, entered, killed, removed; on a real cgroup2 file system where there is one."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from parallel_runner.clock import SystemClock
from parallel_runner.executors.local import LocalExecutor, Place
from parallel_runner.ids import attempt_id, job_id
from parallel_runner.journal.layout import StateLayout
from parallel_runner.model.events import Finished
from parallel_runner.model.lifecycle import State
from parallel_runner.model.outcome import Outcome
from parallel_runner.model.ports import Lease
from parallel_runner.model.terms import Limits, Terms
from parallel_runner.pools import cgroup
from parallel_runner.pools.cgroup import Delegation, Group
from parallel_runner.pools.process import Hold
from parallel_runner.reactor import Reactor
from parallel_runner.tools.bash import BashPayload
from tests.support.waiting import wait_for


def own_group() -> str:
    """Where this process stands in the version 2 hierarchy; skips where it may not make groups."""
    base = cgroup._own_group("/proc/self/mountinfo", "/proc/self/cgroup")
    if base is None or not os.access(base, os.W_OK) or not os.path.exists(f"{base}/cgroup.procs"):
        pytest.skip("no cgroup2 file system that this user may make groups in")
    return base


@pytest.fixture
def group() -> Group:
    base = own_group()
    return Group(Delegation(base, base, frozenset()), f"test-{os.getpid()}")


def test_what_is_started_inside_is_born_there_and_killed_as_one(group: Group) -> None:
    group.make(1 << 30, 100)
    with group.entered():
        process = subprocess.Popen(["bash", "-c", "setsid sleep 8671 & sleep 8671"])
    path = Path(group._path)
    inside = wait_for(lambda: [int(pid) for pid in (path / "cgroup.procs").read_text().split()][2:])
    assert inside and os.getpid() not in inside, "we are out again"
    group.kill()
    assert process.wait(5) == -signal.SIGKILL
    wait_for(lambda: not (path / "cgroup.procs").read_text())
    group.remove()
    assert not path.exists()


def test_a_group_in_use_is_left_to_its_users(group: Group) -> None:
    group.make(None, None)
    with group.entered():
        process = subprocess.Popen(["sleep", "8672"])
    group.remove()
    assert Path(group._path).exists()
    process.kill()
    process.wait()
    group.remove()
    assert not Path(group._path).exists()


def test_without_a_controller_nothing_is_delegated() -> None:
    base = Path(own_group())
    if cgroup.CONTROLLERS & set((base / "cgroup.subtree_control").read_text().split()):
        pytest.skip("here controllers are handed on")
    if cgroup.CONTROLLERS & set((base / "cgroup.controllers").read_text().split()):
        pytest.skip("here controllers could be handed on")
    assert cgroup.delegation() is None


@pytest.mark.parametrize(
    ("mounts", "own", "expected"),
    [
        (
            "30 24 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n",
            "0::/user.slice\n",
            "/sys/fs/cgroup/user.slice",
        ),
        ("30 24 0:26 / /a\\040b rw - cgroup2 cgroup2 rw\n", "0::/\n", "/a b"),
        ("30 24 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 none rw\n", "0::/docker/1/x\n", "/sys/fs/cgroup/x"),
        ("30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/\n", None),
        ("30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "4:memory:/\n", None),
    ],
)
def test_the_own_group_is_found_by_file_system_type(
    tmp_path: Path, mounts: str, own: str, expected: str | None
) -> None:
    (tmp_path / "mounts").write_text(mounts)
    (tmp_path / "own").write_text(own)
    assert cgroup._own_group(str(tmp_path / "mounts"), str(tmp_path / "own")) == expected


def test_limits_go_to_the_files_that_the_kernel_reads(tmp_path: Path) -> None:
    # A directory stands for the file system: only what is written is looked at.
    base = tmp_path / "base"
    base.mkdir()
    group = Group(Delegation(str(base), str(base), cgroup.CONTROLLERS), "x")
    group.make(5_000_000, 7)
    made = base / "parallel-runner-x"
    assert (made / "memory.max").read_text() == "5000000"
    assert (made / "memory.oom.group").read_text() == "1"
    assert (made / "pids.max").read_text() == "7"
    (made / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\n")
    (made / "memory.peak").write_text("4999168\n")
    assert group.killed_for_memory()
    assert group.peak() == 4999168


class Limited:
    """Terms with a limit of memory."""

    def terms(self, batch: int, index: int) -> Terms:
        """The same for all."""
        return Terms(cwd=b"/", limits=Limits(memory=1 << 30, timeout=0.5))


def test_a_job_with_limits_runs_in_a_group_of_its_own(tmp_path: Path) -> None:
    base = own_group()
    layout = StateLayout(str(tmp_path))
    layout.create()
    reactor = Reactor()
    hold = Hold([reactor.keepalive])
    place = Place(layout, "owner", str(tmp_path / "log"), 0, Delegation(base, base, frozenset()))
    local = LocalExecutor(reactor, place, Limited(), hold, SystemClock())
    ended: list[Outcome] = []

    def outcome() -> Outcome | None:
        reactor.run_once(0.02)
        ended.extend(event.outcome for event in local.collect() if isinstance(event, Finished))
        return ended[-1] if ended else None

    def ready() -> str:
        reactor.run_once(0.02)
        return next((offer.worker for offer in local.offers()), "")

    local.resize("bash", 1)
    command = b"cat /proc/self/cgroup; setsid sleep 8673 & sleep 8673"
    payload = msgspec.msgpack.encode(BashPayload(command=command))
    local.submit(wait_for(ready), [Lease(attempt_id(job_id(1, 1), 1), 1, 0, payload)])
    done = wait_for(outcome)
    assert done is not None
    local.acknowledge(ended)
    local.shutdown(grace=5.0)
    reactor.close()
    assert done.state is State.TIMED_OUT
    assert done.containment == "cgroup"
    assert b"/parallel-runner-" in done.out.inline
    assert not [name for name in os.listdir(base) if name.startswith("parallel-runner-")]
