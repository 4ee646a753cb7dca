"""The errors of the whole program: one root, and an exit code for each class.

Classes are cut by whose fault it is and what the caller can do, since that is what an exit code tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_OK = 0
EXIT_MAX_FAILED = 100
"""1 to 100: that many jobs failed."""
EXIT_MORE_FAILED = 101
EXIT_USAGE = 102
EXIT_BAD_DATA = 103
EXIT_INPUT_UNREADABLE = 104
EXIT_BAD_CONFIG = 105
EXIT_UNREACHABLE = 106
EXIT_STATE = 107
EXIT_INTERNAL = 108
EXIT_PENDING = 109
"""Nothing failed, and not all has ended: the batch was paused."""
EXIT_BATCH_DEADLINE = 124
EXIT_SIGNAL_BASE = 128


MOST_TOLD = 50
"""Problems that the text of an error has; nobody reads more."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong in what the user wrote."""

    message: str
    file: str = ""
    line: int = 0
    """1-based; 0 when the place is not in a file."""
    key: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.key + ': ' if self.key else ''}{self.message}"


class ParallelRunnerError(Exception):
    """Something went wrong that the user can be told in one or a few lines."""

    exit_code = EXIT_INTERNAL

    def __init__(self, message: str = "", *, problems: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        parts = [message] if message else []
        parts += [str(problem) for problem in self.problems[:MOST_TOLD]]
        if (left := len(self.problems) - MOST_TOLD) > 0:
            parts.append(f"and {left} more")
        super().__init__("\n".join(parts) or (self.__doc__ or "").strip())


class UsageError(ParallelRunnerError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = EXIT_USAGE


class DataError(ParallelRunnerError):
    """A batch file or the input data is wrong."""

    exit_code = EXIT_BAD_DATA


class InputUnreadableError(ParallelRunnerError):
    """An input file cannot be read."""

    exit_code = EXIT_INPUT_UNREADABLE


class ConfigError(ParallelRunnerError):
    """The configuration is wrong."""

    exit_code = EXIT_BAD_CONFIG


class SupervisorUnreachableError(ParallelRunnerError):
    """No supervisor answers on this home."""

    exit_code = EXIT_UNREACHABLE


class StateError(ParallelRunnerError):
    """The state directory cannot be used: journal, disk or permissions."""

    exit_code = EXIT_STATE


class JournalBusyError(StateError):
    """The journal is locked by another process for longer than we wait."""


class JournalCorruptError(StateError):
    """The journal is damaged or is no SQLite database."""


class DiskFullError(StateError):
    """No space is left where the state is kept."""


class InternalError(ParallelRunnerError):
    """A fault of parallel-runner itself; please report it with the log."""

    exit_code = EXIT_INTERNAL


class IllegalTransitionError(InternalError):
    """A job was moved between two states that do not follow each other."""
