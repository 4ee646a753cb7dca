"""`completions`: what a shell needs to complete our command lines."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from parallel_runner.cli.reading import write
from parallel_runner.errors import InternalError

PROGRAM = "parallel-runner"
VARIABLE = "_PARALLEL_RUNNER_COMPLETE"
"""By which a shell asks for words: click's name for it."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL: verbs, options, batches and jobs.

    \b
    bash: eval "$(parallel-runner completions bash)" in ~/.bashrc
    zsh:  eval "$(parallel-runner completions zsh)" in ~/.zshrc, after compinit
    fish: parallel-runner completions fish > ~/.config/fish/completions/parallel-runner.fish
    """
    from parallel_runner.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise InternalError(f"click does not know {shell} any more")
    write(kind(cli, {}, PROGRAM, VARIABLE).source().encode())
