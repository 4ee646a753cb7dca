"""Every example of the documentation runs, and does what its page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import CHECKOUT, PROGRAM, Program
from tests.support.doc_examples import Command, LeftOut, Step, furnish_path, run_page, steps_of

PAGES = {
    "README.md": 5,
    "docs/tutorial.md": 40,
    "docs/coming-from.md": 10,
    "docs/run.md": 8,
    "docs/using.md": 8,
    "docs/batch-files.md": 3,
}
"""The pages, and how many commands of each are run at least."""

MOST_LEFT_OUT = 4
"""Examples of all pages together that may be left out."""


def steps(page: str) -> list[Step]:
    """What a page has done."""
    return steps_of((CHECKOUT / page).read_text())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", PAGES)
def test_examples_do_what_the_page_says(program: Program, tmp_path: Path, page: str) -> None:
    env = program.env | {"PATH": furnish_path(tmp_path, PROGRAM), "LC_ALL": "C.UTF-8", "COLUMNS": "100"}
    assert run_page(steps(page), program.work, tmp_path / "scripts", env) == []


@pytest.mark.parametrize("page", PAGES)
def test_no_example_got_lost(page: str) -> None:
    shown = [step for step in steps(page) if isinstance(step, Command) and step.expected is not None]
    assert len(shown) >= PAGES[page]
    # Commands in other fences would never be run.
    assert re.findall(r"^```(?:bash|sh|shell|zsh)\b.*", (CHECKOUT / page).read_text(), re.MULTILINE) == []


def test_few_examples_are_left_out_and_for_a_reason() -> None:
    reasons = [step.reason for page in PAGES for step in steps(page) if isinstance(step, LeftOut)]
    assert all(len(reason.split()) >= 3 for reason in reasons), reasons
    assert len(reasons) <= MOST_LEFT_OUT, reasons


@pytest.mark.parametrize("page", sorted({*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md")}))
def test_pages_with_examples_are_all_looked_at(page: Path) -> None:
    if "```console" in page.read_text():
        assert str(page.relative_to(CHECKOUT)) in PAGES
