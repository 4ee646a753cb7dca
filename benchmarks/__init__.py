"""Measurements of parallel-runner against its peers and against its own budgets. See docs/performance.md."""
