"""`python -m parallel_runner` is the same as `parallel-runner`."""

from __future__ import annotations

from parallel_runner.cli.main import main

if __name__ == "__main__":
    main()
