"""The look of every table: bars and columns."""

from __future__ import annotations

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_EIGHTHS = " ▏▎▍▌▋▊▉"
_PAGE = 120
"""Columns when the output is no terminal, so that what goes into a file does not depend on the window."""


def as_text(report: RenderableType) -> str:
    """What a report looks like on stdout: coloured on a terminal, plain elsewhere."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PAGE)
    with console.capture() as captured:
        console.print(report)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def bar(share: float, width: int = 16, style: str = "cyan") -> Text:
    """A horizontal bar of `share` (0 to 1) in eighths of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (_EIGHTHS[rest] if rest else "")
    return Text.assemble((drawn, style), ("░" * (width - len(drawn)), "dim"))


def plain_table(first: str, *columns: str) -> Table:
    """A table whose first column is words, the others figures."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def grid() -> Table:
    """Labels and what there is to say of each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    return table
