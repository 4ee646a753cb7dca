"""The papers say what the program does."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from parallel_runner import errors
from parallel_runner.cli.main import VERBS, cli
from tests.support.cli import CHECKOUT

PAGES = [
    CHECKOUT / "README.md",
    CHECKOUT / "CONTRIBUTING.md",
    CHECKOUT / "CHANGELOG.md",
    *(CHECKOUT / "docs").glob("*.md"),
]
WRITTEN = [page for page in PAGES if page.name != "cli.md"]
"""Those that people wrote: in a page that is made of the options each of them stands by itself."""


def the_command(verb: str) -> click.Command:
    """A verb's command."""
    assert isinstance(cli, click.Group)
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return command


def generator(name: str) -> Any:
    """A module of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, CHECKOUT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_reference_is_current() -> None:
    assert (CHECKOUT / "docs" / "configuration.md").read_text() == generator("generate_reference").reference()


def test_pages_of_the_commands_are_current() -> None:
    pages: dict[Path, str] = generator("generate_commands").pages()
    stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text() != text]
    assert stale == [], "run `python docs/generate_commands.py`"
    assert set((CHECKOUT / "man").iterdir()) == {path for path in pages if path.suffix == ".1"}


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("page", sorted((CHECKOUT / "man").glob("*.1")), ids=lambda page: page.name)
def test_man_pages_are_clean(page: Path) -> None:
    assert page.read_bytes().isascii()
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", page], capture_output=True, check=True)
    assert done.stderr == b""
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout.decode())
    verb = page.stem.removeprefix("parallel-runner").removeprefix("-")
    command = the_command(verb) if verb else cli
    for option in (param for param in command.params if isinstance(param, click.Option) and not param.hidden):
        for name in option.opts:
            # Hyphens that can be copied, not typographic ones.
            assert name in shown, f"{name} is not on the page"


def test_what_roff_and_markdown_would_read_stays_text() -> None:
    made = generator("generate_commands")

    @click.command()
    @click.option("--strange", metavar="A|B", help='.it\'s a `\\\\n` "quoted" -dash, – and |pipe| *star*')
    @click.argument("word", nargs=-1, required=True)
    def command(strange: str, word: str) -> None:
        """First sentence. Second.

        \b
        .dotted   columns
        'quoted   columns

        Last.
        """

    one = made.described(command, "parallel-runner strange")
    assert one.usage == "parallel-runner strange [OPTION]... WORD..."
    page = made.man_page(one, made.described(cli, "parallel-runner"))
    assert "\n\\&.it\\(aqs a \\(ga\\e" in page
    assert "\n.nf\n.RS\n\\&.dotted   columns\n\\(aqquoted   columns\n.RE\n.fi\n" in page
    assert page.isascii()
    assert "| `--strange A\\|B` |" in made.markdown(one)
    if shutil.which("groff"):
        done = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8"], input=page.encode(), capture_output=True, check=True
        )
        assert done.stderr == b""
        assert ".dotted   columns" in done.stdout.decode()
        assert "–" in done.stdout.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_is_documented(verb: str) -> None:
    command = the_command(verb)
    assert command.help
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help, f"{verb} {option.name} has no help"
    text = "".join(page.read_text() for page in WRITTEN)
    assert re.search(rf"`(?:parallel-runner )?{verb}\b", text), f"{verb} is not documented"


@pytest.mark.parametrize("verb", ["run", "history", "logs", "results", "retry"])
def test_every_option_is_documented(verb: str) -> None:
    command = the_command(verb)
    text = "".join(page.read_text() for page in WRITTEN)
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    # One of its names is enough: old spellings need no word.
    untold = [
        one.opts for one in options if not any(re.search(rf"(?<![\w-]){name}(?![\w-])", text) for name in one.opts)
    ]
    assert untold == []


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
