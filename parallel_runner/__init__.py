"""Runs big batches of mixed tool work on one machine, journalled and contained."""

from __future__ import annotations

__version__ = "0.1.0"
