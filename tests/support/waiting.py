"""Waiting for what other processes do, without sleeping for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], timeout: float = 10.0, message: str = "") -> T:
    """Poll `condition` each 20 ms until it is true; returns what it gave.

    Raises:
        AssertionError: it did not become true within `timeout` seconds.
    """
    until = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < until, message or f"not within {timeout} s: {condition}"
        time.sleep(0.02)
