"""Owners: processes that run batches on this home, and the slots they share."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from functools import lru_cache

from parallel_runner.errors import StateError
from parallel_runner.ids import new_token
from parallel_runner.journal import statements
from parallel_runner.journal.layout import StateLayout
from parallel_runner.journal.locks import LivenessLock, is_held
from parallel_runner.journal.store import Journal


@dataclass
class Owner:
    """This process as an owner. Its workers' names begin with its token."""

    token: str
    lock: LivenessLock


def owner_of(worker: str) -> str:
    """The owner whose worker this is."""
    return worker.partition("-")[0]


def register(journal: Journal, kind: str) -> Owner:
    """Become an owner: take a lock, then write the row, so that a row without a lock is a dead owner's."""
    token = new_token()
    lock = LivenessLock.acquire(journal.layout.owner_lock(token), b"%d\n" % os.getpid())
    if lock is None:
        raise StateError(f"the lock of a new owner {token} is taken; try again")
    with journal.transaction() as connection:
        connection.execute(statements.get("add_owner"), (token, os.getpid(), boot_id(), kind, time.time()))
    return Owner(token, lock)


def unregister(journal: Journal, owner: Owner) -> None:
    """Be no owner any more. All workers must be gone.

    What is leased to one whose spool is gone too has ended, and its end is in the journal. A lease beside a spool
    is left for recovery to look at.
    """
    spooled = sorted(spooled_workers(journal.layout))
    journal.gather("drop_leases", [(owner.token, json.dumps(spooled))])
    journal.gather("drop_locks_of_owner", [(owner.token,)])
    journal.gather("drop_owner", [(owner.token,)])
    journal.flush()
    owner.lock.remove()


def is_alive(layout: StateLayout, owner: str) -> bool:
    """Whether an owner's process lives."""
    return is_held(layout.owner_lock(owner))


def spooled_workers(layout: StateLayout) -> set[str]:
    """Workers that have a spool, dead or alive."""
    ending = ".spool"
    return {name[: -len(ending)] for name in os.listdir(f"{layout.root}/spool") if name.endswith(ending)}


def reserve_slots(journal: Journal, owner: str, want: int, budget: int) -> int:
    """Reserve up to `want` slots so that all live owners together have at most `budget`; returns how many.

    A dead owner counts with as many slots as it has workers that are alive.

    Raises:
        JournalBusyError: try again soon.
    """
    with journal.transaction() as connection:
        rows = connection.execute(statements.get("all_owners")).fetchall()
        living = {row[0]: row[4] for row in rows if row[0] != owner and is_alive(journal.layout, row[0])}
        used: int = sum(living.values()) + _orphans(journal.layout, {owner, *living})
        granted = max(0, min(want, budget - used))
        connection.execute(statements.get("set_slots"), (granted, owner))
    return granted


def _orphans(layout: StateLayout, living: set[str]) -> int:
    strangers = {worker for worker in spooled_workers(layout) if owner_of(worker) not in living}
    return sum(
        is_held(layout.worker_lock(worker)) and not is_alive(layout, owner_of(worker)) for worker in strangers
    )


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Names this boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
