"""`--resume [BATCH]`: an option whose value may be left out, in front of a template that may hold any words."""

from __future__ import annotations

import re

import click

from parallel_runner.cli.run_options import WithSections

_BATCH = re.compile(r"b\d+\Z")
LATEST = "latest"
FLAG = "--resume"


class WithResume(WithSections):
    """A command that takes `--resume`, with or without a batch's name after it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give `--resume` its value, as far as options go; words of the template stay as they are."""
        return super().parse_args(ctx, filled(args, self._valued()))

    def _valued(self) -> set[str]:
        options = [param for param in self.params if isinstance(param, click.Option) and not param.is_flag]
        return {name for option in options for name in option.opts}


def filled(args: list[str], valued: set[str]) -> list[str]:
    """The arguments with `--resume=BATCH`, or `--resume=latest`, for a `--resume` among the options.

    Args:
        args: the command line.
        valued: options that take the next word.
    """
    out = list(args)
    place = 0
    while place < len(out) and out[place].startswith("-") and out[place] not in ("-", "--"):
        if out[place] == FLAG:
            named = place + 1 < len(out) and _BATCH.match(out[place + 1])
            out[place : place + 2 if named else place + 1] = [f"{FLAG}={out[place + 1] if named else LATEST}"]
            return out
        # `-qj 4`: of a cluster, the last letter takes the value.
        last = out[place] if out[place].startswith("--") else f"-{out[place][-1]}"
        place += 2 if last in valued else 1
    return out
