"""What others ask of a runner while it runs: single jobs to be cancelled.

A request is a file of its own under state/requests/, named after the owner it is for; SIGUSR2 says that one is
there. A signal alone could not say which job, and the job in hand may be another one by the time it arrives.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from parallel_runner.ids import new_token
from parallel_runner.journal.layout import StateLayout

WAKE = signal.SIGUSR2
_MOST = 1 << 16


def ask_to_cancel(layout: StateLayout, owner: str, job: int) -> None:
    """Ask the runner `owner` to end a job.

    Raises:
        OSError: the request cannot be written, or the runner is gone or another user's.
    """
    with open(layout.owner_lock(owner), encoding="ascii") as file:
        pid = int(file.read())
    # Under another name until it is whole.
    name = f"{layout.requests}/.{new_token()}"
    with open(name, "x", encoding="ascii") as file:
        file.write(f"{job}\n")
    os.rename(name, f"{layout.requests}/{owner}.{new_token()}")
    os.kill(pid, WAKE)


def take_requests(layout: StateLayout, owner: str) -> list[int]:
    """The jobs that this owner was asked to end since the last call. What is no request is removed and ignored."""
    jobs = []
    for name in sorted(os.listdir(layout.requests)):
        if not name.startswith(f"{owner}."):
            continue
        path = f"{layout.requests}/{name}"
        with open(path, "rb") as file:
            text = file.read(_MOST).strip()
        os.unlink(path)
        if text.isdigit():
            jobs.append(int(text))
    return jobs


def drop_stale(layout: StateLayout, alive: Callable[[str], bool]) -> None:
    """Remove what nobody will take any more: requests to owners that are gone."""
    for name in os.listdir(layout.requests):
        owner = name.partition(".")[0]
        if owner and not alive(owner):
            try:
                os.unlink(f"{layout.requests}/{name}")
            except FileNotFoundError:
                continue  # Another owner was faster.
