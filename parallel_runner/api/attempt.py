"""What a caller is told of an attempt."""

from __future__ import annotations

import base64
import json
from typing import Any

from msgspec import UNSET

from parallel_runner.model.lifecycle import State
from parallel_runner.reports.records import AttemptRecord


class Attempt(AttemptRecord, kw_only=True, frozen=True, tag_field="type", tag="attempt"):
    """One attempt: the fields of a line of `results`, and what they come to."""

    @property
    def succeeded(self) -> bool:
        """Whether the job is done as asked."""
        return self.state is State.SUCCEEDED

    @property
    def output(self) -> bytes:
        """What is kept of its stdout."""
        return self.stdout.encode() if self.stdout_b64 is UNSET else base64.b64decode(self.stdout_b64)

    @property
    def errors(self) -> bytes:
        """What is kept of its stderr."""
        return self.stderr.encode() if self.stderr_b64 is UNSET else base64.b64decode(self.stderr_b64)

    @property
    def value(self) -> Any:
        """What a called function returned: the last line of the output, read as JSON; None where there is none.

        Raises:
            ValueError: that line is no JSON: the function returned something else, which stands there as its repr.
        """
        lines = self.output.splitlines()
        return json.loads(lines[-1]) if lines else None
