"""Every example of the documentation runs, and does what its page says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import CHECKOUT, PROGRAM, Program
from tests.support.doc_examples import Command, LeftOut, Step, furnish_path, pairs_of, run_page, steps_of

PAGES = {
    "README.md": 7,
    "docs/tutorial.md": 40,
    "docs/coming-from.md": 6,
    "docs/run.md": 13,
    "docs/using.md": 12,
    "docs/batch-files.md": 3,
    "docs/performance.md": 0,
}
"""The pages, and how many commands of each are run at least."""

MOST_LEFT_OUT = 4
"""Examples of all pages together that may be left out."""


def steps(page: str) -> list[Step]:
    """What a page has done."""
    return steps_of((CHECKOUT / page).read_text())


def environment(program: Program, place: Path) -> dict[str, str]:
    """The environment of examples; programs for it are made below `place`."""
    return program.env | {"PATH": furnish_path(place, PROGRAM), "LC_ALL": "C.UTF-8", "COLUMNS": "100"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", PAGES)
def test_examples_do_what_the_page_says(program: Program, tmp_path: Path, page: str) -> None:
    env = environment(program, tmp_path)
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


@pytest.mark.parametrize(
    "page", sorted({*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md")}), ids=lambda page: page.name
)
def test_pages_with_examples_are_all_looked_at(page: Path) -> None:
    if "```console" in page.read_text():
        assert str(page.relative_to(CHECKOUT)) in PAGES


def said_and_made(commands: list[str], place: Path, env: dict[str, str]) -> tuple[list[list[bytes]], list[str]]:
    """The lines that each command prints, in any order; the files there, a page's own ones among them."""
    place.mkdir()
    for step in steps("docs/coming-from.md"):
        if isinstance(step, Command) and step.expected is None:
            subprocess.run(["bash", "-c", step.text], cwd=place, env=env, capture_output=True, check=True)
    lines = []
    for command in commands:
        done = subprocess.run(["bash", "-c", command], cwd=place, env=env, capture_output=True, timeout=30)
        lines.append(sorted(done.stdout.splitlines()))
    return lines, sorted(str(path.relative_to(place)) for path in place.rglob("*"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("tool", "least"), [("parallel", 10), ("xargs", 10)])
def test_what_is_typed_there_does_the_same_here(program: Program, tmp_path: Path, tool: str, least: int) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    pairs = pairs_of((CHECKOUT / "docs" / "coming-from.md").read_text(), tool)
    assert len(pairs) >= least
    env = environment(program, tmp_path) | {"HOME": str(tmp_path)}
    there, files_there = said_and_made([pair[0] for pair in pairs], tmp_path / "there", env)
    here, files_here = said_and_made([pair[1] for pair in pairs], tmp_path / "here", env)
    assert list(zip(pairs, there, strict=True)) == list(zip(pairs, here, strict=True))
    assert files_there == files_here
    assert all(lines or "/dev/null" in pair[0] for pair, lines in zip(pairs, there, strict=True))
