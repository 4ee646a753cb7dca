"""The kinds of values that settings have: what is accepted, and what it is called."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1, extra={"unit": "share, 0.2 or 20%"})]
Seconds = Annotated[float, Meta(ge=0, extra={"unit": "seconds, or 30s, 5min, 2h"})]
Milliseconds = Annotated[float, Meta(ge=0, extra={"unit": "milliseconds"})]
Days = Annotated[float, Meta(ge=0, extra={"unit": "days"})]
Bytes = Annotated[int, Meta(ge=0, extra={"unit": "bytes, or 64K, 10M, 2G"})]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Instances = Annotated[int, Meta(ge=1, le=10_000, extra={"unit": "instances"})]
Rate = Annotated[float, Meta(ge=0, extra={"unit": "per second"})]
Factor = Annotated[float, Meta(ge=0, le=100)]
