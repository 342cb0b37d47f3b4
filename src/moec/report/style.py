"""The look of every table: bars and columns, and what goes first where the terminal is narrow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

_EIGHTHS = " ▏▎▍▌▋▊▉"
_PAGE = 120
"""Columns when the output is no terminal, so that what goes into a file does not depend on the window."""


def as_text(report: RenderableType) -> str:
    """What a report looks like on stdout: coloured on a terminal, plain elsewhere."""
    real = Console()
    page, width = io.StringIO(), real.width if real.is_terminal else _PAGE
    console = Console(file=page, highlight=False, width=width, force_terminal=real.is_terminal)
    console.print(report)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()) + "\n"


class Fitted:
    """A table without as many of its columns as do not fit, those of `dropped` first; figures are never cut."""

    def __init__(self, table: Table, dropped: Sequence[str]) -> None:
        self.table, self.dropped = table, dropped

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What fits into the width of the console."""
        left = list(self.dropped)
        while left and _width(self.table, console, options) > options.max_width:
            _without(self.table, left.pop(0))
        yield self.table


_GAP = 3
"""Cells between columns."""
_READABLE = 24
"""Cells that a column of words needs to be read, wrapped."""


def _width(table: Table, console: Console, options: ConsoleOptions) -> int:
    """Cells that the table needs when no figure is cut: all of a column that is not wrapped, of others enough to read."""
    return sum(_column_width(column, console, options) for column in table.columns) + _GAP * (len(table.columns) - 1)


def _column_width(column: Column, console: Console, options: ConsoleOptions) -> int:
    cells = [
        Measurement.get(console, options.update(max_width=10_000), cell) for cell in (column.header, *column.cells)
    ]
    if column.no_wrap:
        return max(cell.maximum for cell in cells)
    return max(max(cell.minimum, min(cell.maximum, _READABLE)) for cell in cells)


def _without(table: Table, header: str) -> None:
    """The table loses the columns of that header; those after it move up."""
    kept = [column for column in table.columns if column.header != header]
    table.columns = [replace(column, _index=index) for index, column in enumerate(kept)]


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
