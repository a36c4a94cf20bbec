"""Tables for the terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

import rich.table
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

NO_LIMIT = 100_000  # columns


class Table(rich.table.Table):
    """A table of texts that are shown as they are, on any console: ``[red]`` is no style.

    Where the console is too narrow, each row is a block of lines, so that nothing is cut.

    >>> table = Table("class", title="[a]")
    >>> table.add_row("[red] car")
    >>> next(table.columns[0].cells).plain
    '[red] car'
    """

    def __init__(self, *headers: str | rich.table.Column, **options: Any):
        for name in ("title", "caption"):
            options[name] = _plain(options.get(name))
        super().__init__(**options)
        for header in headers:
            if isinstance(header, str):
                self.add_column(header)
            else:
                self.add_column(header.header, justify=header.justify)

    def add_column(self, header: RenderableType = "", *args: Any, **options: Any) -> None:
        super().add_column(_plain(header) or "", *args, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*map(_plain, cells), **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        contents = [[str(x) for x in (each.header, *each.cells)] for each in self.columns]
        lines = [
            _longest(line for text in texts for line in text.split("\n")) for texts in contents
        ]
        words = [_longest(word for text in texts for word in text.split()) for texts in contents]
        unlimited = Measurement.get(console, options.update_width(NO_LIMIT), self).maximum
        free = options.max_width - (unlimited - sum(lines))  # besides lines and padding
        least = [
            line if column.no_wrap else word
            for column, line, word in zip(self.columns, lines, words, strict=True)
        ]
        if sum(least) > free:
            yield Group(*self._blocks())
            return
        for column, width in zip(self.columns, _widths(least, lines, free), strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    def _blocks(self) -> list[Text]:
        """Title, rows and caption, one below the other."""
        first, *others = [[_one_line(cell) for cell in column.cells] for column in self.columns]
        headers = [_one_line(column.header) for column in self.columns]
        blocks = [Text(str(self.title), "italic")] if self.title else []
        for name, *row in zip(first, *others, strict=True):
            blocks.append(Text(f"{headers[0]} {name}".strip(), "bold"))
            named = zip(headers[1:], row, strict=True)
            blocks += [Text(f"  {header}: {cell}") for header, cell in named]
        return [*blocks, *([Text(str(self.caption), "dim italic")] if self.caption else [])]


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _widths(least: Sequence[int], wanted: Sequence[int], free: int) -> list[int]:
    """Widths of columns: what each needs, and an even share of what is left up to what it wants."""
    widths, left = [*least], free - sum(least)
    order = sorted(range(len(least)), key=lambda i: wanted[i] - least[i])
    for place, i in enumerate(order):
        more = min(wanted[i] - least[i], left // (len(order) - place))
        widths[i] += more
        left -= more
    return widths


def _one_line(cell: Any) -> str:
    return " ".join(str(cell).split())


def _plain(value: RenderableType | None) -> Any:
    return Text(value) if isinstance(value, str) else value
