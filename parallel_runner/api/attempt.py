"""What a caller is told of an attempt."""

from __future__ import annotations

import base64
from typing import Any

from msgspec import UNSET

from parallel_runner.model.lifecycle import State
from parallel_runner.reports.records import AttemptRecord
from parallel_runner.tools.python_call import read_returned


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
        """What a function given to `call` or `map` returned, as JSON has it: a tuple comes back as a list.

        Raises:
            ValueError: it returned what JSON cannot carry; or it did not return; or that was cut off its output.
        """
        if self.stdout_unreadable is not UNSET:
            raise ValueError(f"{self.attempt}: {self.stdout_unreadable}")
        cut = self.stdout_truncated is True
        try:
            return read_returned(self.attempt, self.output, cut=cut)
        except LookupError:
            raise ValueError(f"{self.attempt}: {self._why_nothing(cut=cut)}") from None
        except ValueError as error:
            raise ValueError(f"{self.attempt}: {error}") from None

    def _why_nothing(self, *, cut: bool) -> str:
        if not self.succeeded:
            return f"nothing was returned, it ended as {self.state.value}"
        if cut:
            return f"of its {self.stdout_bytes} bytes of output not all are kept; give it a larger max_output"
        return "it has no value; functions given to `call` or `map` have one"
