"""Python pools as libraries: one engine, one workload, timed from the first job to the last result.

usage: python engines.py ENGINE LINES_FILE SHELL SLOTS
       python engines.py list

Stands alone, so that any interpreter can run it: only the standard library and the engine itself are imported. The
pool is started and warmed up before the clock runs, so start-up is not counted. Each job is run by subprocess.run
with both streams captured, and what it wrote is handed back to the caller. SHELL is empty for lines that are split
at blanks and executed directly. Prints one JSON object: seconds, jobs, failed, output (bytes).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

Result = tuple[int, bytes, bytes]
RunAll = Callable[[Sequence[list[str]]], "Sequence[Result]"]
CHUNK = 16
"""Jobs in a chunk, where the engine leaves that to the caller."""


def run_job(argv: list[str]) -> Result:
    """One job, both streams captured."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode, done.stdout, done.stderr


@contextmanager
def futures(slots: int, chunk: int = 1) -> Iterator[RunAll]:
    """ProcessPoolExecutor; its map sends jobs one by one unless told otherwise."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(slots) as pool:
        yield lambda jobs: list(pool.map(run_job, jobs, chunksize=chunk))


def futures_chunked(slots: int) -> AbstractContextManager[RunAll]:
    """ProcessPoolExecutor, told to send jobs in chunks."""
    return futures(slots, CHUNK)


@contextmanager
def joblib(slots: int) -> Iterator[RunAll]:
    """joblib with its own processes (loky) and its own batch sizes."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=slots) as parallel:
        yield lambda jobs: list(parallel(delayed(run_job)(job) for job in jobs))


@contextmanager
def dask(slots: int) -> Iterator[RunAll]:
    """A Dask cluster on this machine, one thread per process, no dashboard."""
    from distributed import Client, LocalCluster

    with tempfile.TemporaryDirectory() as place:
        cluster = LocalCluster(
            n_workers=slots, threads_per_worker=1, dashboard_address=None, local_directory=place, silence_logs=50
        )
        with cluster, Client(cluster) as client:
            yield lambda jobs: client.gather(client.map(run_job, jobs, pure=False))


@contextmanager
def ray(slots: int) -> Iterator[RunAll]:
    """Ray tasks on this machine, no dashboard."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray as engine

    engine.init(num_cpus=slots, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    remote: Any = engine.remote(run_job)
    try:
        yield lambda jobs: engine.get([remote.remote(job) for job in jobs])
    finally:
        engine.shutdown()


ENGINES = {"futures": futures, "futures-chunked": futures_chunked, "joblib": joblib, "dask": dask, "ray": ray}
PACKAGES = {"futures": "", "futures-chunked": "", "joblib": "joblib", "dask": "distributed", "ray": "ray"}


def installed() -> dict[str, str]:
    """The engines that can be used here, with their versions."""
    found = {}
    for engine, package in PACKAGES.items():
        if not package:
            found[engine] = "Python " + sys.version.split()[0]
        elif importlib.util.find_spec(package) is not None:
            found[engine] = importlib.metadata.version(package)
    return found


def measure(engine: str, lines: str, shell: str, slots: int) -> dict[str, float]:
    """Run all lines of a file on an engine."""
    with open(lines, encoding="utf-8") as file:
        texts = file.read().splitlines()
    jobs = [[shell, "-c", text] if shell else text.split() for text in texts]
    with ENGINES[engine](slots) as run_all:
        run_all(jobs[: slots * CHUNK])
        before = time.perf_counter()
        results = run_all(jobs)
        seconds = time.perf_counter() - before
    return {
        "seconds": seconds,
        "jobs": len(results),
        "failed": sum(code != 0 for code, _, _ in results),
        "output": sum(len(out) for _, out, _ in results),
    }


def main() -> None:
    """The command line, as the head of this file says."""
    if sys.argv[1:] == ["list"]:
        print(json.dumps(installed()))
    elif len(sys.argv) == 5 and sys.argv[1] in ENGINES:
        print(json.dumps(measure(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        sys.exit((__doc__ or "").partition("Stands")[0].strip())


if __name__ == "__main__":
    main()
