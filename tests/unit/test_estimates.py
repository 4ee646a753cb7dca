"""What jobs may take, by what jobs of the same kind took."""

from __future__ import annotations

from parallel_runner.model.signature import Signature
from parallel_runner.model.terms import Limits, Terms
from parallel_runner.reports.estimates import ENOUGH, Estimate, Past, Sample, Spread, capped, spread

MAKE = Signature("make -j", "make")


def samples(signature: Signature, *walls: float, memory: int | None = None, tool: str = "bash") -> list[Sample]:
    return [Sample(tool, signature, wall, memory) for wall in walls]


def test_quantiles_are_values_that_were_seen() -> None:
    assert spread([3.0]) == (3.0, 3.0, 3.0)
    assert spread([float(one) for one in range(100, 0, -1)]) == (5.0, 50.0, 95.0)
    assert spread([1.0, 2.0]) == (1.0, 1.0, 2.0)


def test_by_its_own_signature_where_enough_is_known() -> None:
    past = Past(samples(MAKE, *[2.0] * ENOUGH) + samples(Signature("make -k", "make"), *[9.0] * 100))
    known = past.estimate("bash", MAKE)
    assert (known.basis, known.samples, known.thin, known.wall) == ("signature", ENOUGH, False, (2.0, 2.0, 2.0))


def test_by_the_program_where_too_little_is_known() -> None:
    past = Past(samples(MAKE, 2.0) + samples(Signature("make -k", "make"), *[9.0] * ENOUGH))
    known = past.estimate("bash", MAKE)
    assert (known.basis, known.samples, known.thin) == ("program", ENOUGH + 1, False)
    assert known.wall is not None
    assert known.wall.p50 == 9.0


def test_little_is_better_than_nothing_and_is_marked() -> None:
    past = Past(samples(MAKE, 2.0, 3.0, 4.0))
    known = past.estimate("bash", MAKE)
    assert (known.basis, known.samples, known.thin, known.wall) == ("signature", 3, True, (2.0, 3.0, 4.0))
    other = past.estimate("bash", Signature("make install", "make"))
    assert (other.basis, other.samples, other.thin) == ("program", 3, True)


def test_nothing_is_known_of_others() -> None:
    past = Past(samples(MAKE, 2.0))
    assert past.estimate("bash", Signature("cc", "cc")) == Estimate("cc")
    assert past.estimate("make", MAKE).wall is None, "a tool is no program"


def test_memory_is_of_those_that_told_it() -> None:
    past = Past(samples(MAKE, 1.0) + samples(MAKE, 1.0, 1.0, memory=4096))
    assert past.estimate("bash", MAKE).memory == (4096, 4096, 4096)
    assert Past(samples(MAKE, 1.0)).estimate("bash", MAKE).memory is None


def test_within_the_limits_of_the_job() -> None:
    known = Estimate("make", "program", 1, Spread(1.0, 5.0, 50.0), Spread(10.0, 20.0, 30.0))
    bounded = capped(known, Terms(limits=Limits(timeout=10.0, memory=15), deadline=4.0))
    assert bounded.wall == (1.0, 4.0, 4.0)
    assert bounded.memory == (10.0, 15, 15)
    assert capped(known, Terms()) == known
    assert capped(Estimate("make"), Terms(deadline=1.0)).wall is None
