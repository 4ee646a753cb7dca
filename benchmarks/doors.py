"""What the scripts of this directory share at their edge: errors in one line, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from parallel_runner.errors import ParallelRunnerError


def guarded(main: Callable[[Sequence[str]], int]) -> int:
    """Call `main` with the command line; errors of ours become one message and their exit code."""
    try:
        return main(sys.argv[1:])
    except ParallelRunnerError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def progress(text: str) -> None:
    """One line on stderr, at once."""
    print(text, file=sys.stderr, flush=True)
