"""Tables for the terminal."""

from typing import Any

import rich.table
from rich.console import RenderableType
from rich.text import Text


class Table(rich.table.Table):
    """A table of texts that are shown as they are, on any console: ``[red]`` is no style.

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


def _plain(value: RenderableType | None) -> Any:
    return Text(value) if isinstance(value, str) else value
