"""`config`: show, explain and describe the settings."""

from __future__ import annotations

import difflib
import json
import os

import click

from parallel_runner.cli.options import home_option, the_home
from parallel_runner.cli.reading import line
from parallel_runner.errors import UsageError
from parallel_runner.settings.catalogue import IN_FORCE, Settings, entries, plain, value_of
from parallel_runner.settings.load import explain as explain_entry
from parallel_runner.settings.load import load

SETTINGS = "settings"
BATCH = "batch"


@click.group()
def command() -> None:
    """Show, explain and describe the configuration."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, nested.")
@home_option
def show(as_json: bool, home: str | None) -> None:
    """Print every setting that is in force, with where it comes from."""
    loaded = load(the_home(home).config, os.environ)
    if as_json:
        line(json.dumps(plain(loaded.settings), indent=2))
        return
    for key in entries():
        line(f"{key} = {json.dumps(plain(value_of(loaded.settings, key)))}  # {loaded.source_of(key)}")


@command.command()
@click.argument("key")
@home_option
def explain(key: str, home: str | None) -> None:
    """Tell the value of KEY, where it comes from, and what it means."""
    loaded = load(the_home(home).config, os.environ)
    known = entries()
    found = [entry for name, entry in known.items() if name == key or name.endswith("." + key)]
    if not found:
        last = {name.rsplit(".", 1)[-1]: name for name in known}
        near = difflib.get_close_matches(key, [*known, *last], n=3)
        raise UsageError(f"there is no setting {key!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    for entry in found:
        for text in explain_entry(loaded, entry, entry.key in IN_FORCE):
            line(text)


def _schemas(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from parallel_runner.reports.schemas import RECORDS

    return [name for name in (SETTINGS, BATCH, *RECORDS) if name.startswith(incomplete)]


@command.command()
@click.argument("name", required=False, shell_complete=_schemas)
def schema(name: str | None) -> None:
    """Print a JSON Schema: of the settings, of batch files, or of what a verb prints as JSON.

    NAME is settings, batch, attempt (`results`, `run --json`, `--results FILE.jsonl`), history, why, ps, plan
    (`run --plan --json`) or results-json (`--results FILE.json`).
    """
    if name in (None, SETTINGS):
        import msgspec

        line(json.dumps(msgspec.json.schema(Settings), indent=2))
        return
    if name == BATCH:
        from parallel_runner.tools import registry
        from parallel_runner.workflows.schema import batch_schema

        line(json.dumps(batch_schema([registry.get(one) for one in registry.names()]), indent=2))
        return
    from parallel_runner.reports.schemas import RECORDS, schema_of

    if name not in RECORDS:
        known = ", ".join([SETTINGS, BATCH, *RECORDS])
        raise UsageError(f"there is no schema {name!r}; there are: {known}")
    line(json.dumps(schema_of(name), indent=2))
