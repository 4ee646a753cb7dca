"""Tables for terminals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parallel_runner.reports.plain import columns


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]], styles: Iterable[Sequence[str]] = ()) -> None:
    """Print a table; its last column takes the room that the others leave, and is cut there.

    Args:
        titles: of the columns.
        rows: the cells, without anything that moves the cursor.
        styles: by row, that of each cell, in the words of rich; none: plain.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [tuple(row) for row in rows]
    dressed = list(styles) or [("",) * len(titles)] * len(cells)
    # Expanded, or rich takes no heed of the ratio, and crops the first columns in favour of a long last one.
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for place, title in enumerate(titles[:-1]):
        table.add_column(title, no_wrap=True, width=max(columns(row[place]) for row in (titles, *cells)))
    table.add_column(titles[-1], no_wrap=True, overflow="ellipsis", ratio=1)
    for row, style in zip(cells, dressed, strict=True):
        # Text, not markup: a command may have brackets in it.
        table.add_row(*map(Text, row, style))
    Console().print(table)
