"""`--resume [BATCH]` among other options, and words of a template that only look like it."""

from __future__ import annotations

import pytest

from parallel_runner.cli.resume_option import filled

VALUED = {"-j", "--jobs", "--timeout"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--resume", "--resume=latest"),
        ("--resume b17", "--resume=b17"),
        ("--resume b17 -j4 gzip {}", "--resume=b17 -j4 gzip {}"),
        ("-j 4 --resume gzip", "-j 4 --resume=latest gzip"),
        ("-qj 4 --resume b2", "-qj 4 --resume=b2"),
        ("-k --timeout=3 --resume -q", "-k --timeout=3 --resume=latest -q"),
        ("tool --resume b3", "tool --resume b3"),
        ("-j 4 tool --resume", "-j 4 tool --resume"),
        ("-- --resume b3", "-- --resume b3"),
        ("--resume=b3 x", "--resume=b3 x"),
        ("--resume b3x", "--resume=latest b3x"),
        ("", ""),
    ],
)
def test_where_it_is_an_option_it_gets_a_value(given: str, expected: str) -> None:
    assert filled(given.split(), VALUED) == expected.split()
