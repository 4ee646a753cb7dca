"""The papers say what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click
import pytest

from parallel_runner import errors
from parallel_runner.cli.main import VERBS, cli
from tests.support.cli import CHECKOUT, Program

PAGES = [
    CHECKOUT / "README.md",
    CHECKOUT / "CONTRIBUTING.md",
    CHECKOUT / "CHANGELOG.md",
    *(CHECKOUT / "docs").glob("*.md"),
]


def the_command(verb: str) -> click.Command:
    """A verb's command."""
    assert isinstance(cli, click.Group)
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return command


def test_reference_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate_reference", CHECKOUT / "docs" / "generate_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (CHECKOUT / "docs" / "configuration.md").read_text() == module.reference()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_is_documented(verb: str) -> None:
    command = the_command(verb)
    assert command.help
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help, f"{verb} {option.name} has no help"
    text = "".join(page.read_text() for page in PAGES)
    assert re.search(rf"`(?:parallel-runner )?{verb}\b", text), f"{verb} is not documented"


def test_every_option_of_run_is_documented() -> None:
    command = the_command("run")
    text = "".join(page.read_text() for page in PAGES)
    names = [option.opts[-1] for option in command.params if isinstance(option, click.Option) and not option.hidden]
    assert [name for name in names if f"`{name}" not in text and f" {name} " not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_exit_codes_are_documented() -> None:
    text = (CHECKOUT / "docs" / "exit-codes.md").read_text()
    for name, code in vars(errors).items():
        if name.startswith("EXIT_") and name not in ("EXIT_SIGNAL_BASE", "EXIT_UNREACHABLE"):
            assert re.search(rf"\b{code}\b", text), name


def test_batch_file_of_the_readme_is_one(program: Program) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    (program.work / "nightly.yaml").write_text(text.replace("make -j2", "'true'").replace("make test", "'true'"))
    (program.work / "src").mkdir()
    (program.work / "summary.sh").write_text("#!/bin/sh\necho summary\n")
    (program.work / "summary.sh").chmod(0o755)
    done = program("run", "-k", "-f", "nightly.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"summary\n")


def test_first_batch_of_the_readme(program: Program) -> None:
    done = program("run", "-k", stdin=b"echo one; sleep 1\necho two\nexit 3\n")
    assert done.stdout == b"one\ntwo\n"
    assert done.returncode == 1
    assert b"1 failed, 2 succeeded in" in done.stderr
    assert b"exit 3: b1.3" in done.stderr
